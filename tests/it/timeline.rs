//! `timeline`: when the boot passed its milestones, and `--max` as a check.

use crate::harness::{Lab, NO_GUEST, guest_vm, vm};

#[test]
fn never_started_and_nothing_seen() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("timeline a").run().code(4).stdout("");
    for limit in ["ssh", "nonsense=1s", "ssh=soon"] {
        lab.qqmgr(&format!("timeline a --max {limit}")).run().code(2);
    }
    lab.qqmgr("start a").run().code(0);
    let json = lab.qqmgr("timeline a --max qmp=50s --json").run().code(0).json();
    assert!(json["qmp"].as_f64().unwrap() > 0.0, "{json}");
    assert!(json["serial"].is_null() && json["kernel"].is_null() && json["ssh"].is_null());
    let over = lab.qqmgr("timeline a --max ssh=50s --max qmp=0").run();
    let text = over.code(1).stderr("").text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "a:");
    assert!(lines[1].starts_with("  QMP answered ") && lines[1].ends_with("s  OVER"), "{text}");
    assert_eq!(lines[2], "  first serial byte     not seen");
    assert_eq!(lines[4], "  SSH login worked      not seen  OVER");
}

#[test]
fn of_a_real_boot() {
    // Without `quiet`, the kernel's first line is printed.
    let lab = Lab::new(&guest_vm("a").replace(" quiet", ""));
    lab.qqmgr("start a --wait").run().code(0);
    let json = lab.qqmgr("timeline a --json").run().code(0).json();
    let times = ["qmp", "serial", "kernel", "ssh"].map(|name| json[name].as_f64());
    assert!(times.is_sorted() && times[0] > Some(0.0), "{json}");
    assert_eq!(json["over"].as_array().unwrap().len(), 0);
    lab.qqmgr("timeline a --max ssh=50s --max kernel=50s").run().code(0);
    let over = lab.qqmgr("timeline a --max kernel=50s --max ssh=100ms --json").run().code(1).json();
    assert_eq!(over["over"][0], "ssh");
    assert_eq!(over["ssh"], json["ssh"], "it is what was seen, not what is now");
    lab.qqmgr("stop a").run().code(0);
}
