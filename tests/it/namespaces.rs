//! VMs whose processes qqmgr can't see: in another container, with its own pids.

use crate::harness::{Lab, NO_GUEST, Run, until, vm};

/// A qqmgr in its own pid namespace. Every user may have one, as root of a user namespace.
fn elsewhere(lab: &Lab, line: &str) -> Run {
    let own = ["--map-root-user", "--pid", "--fork", "--mount-proc", env!("CARGO_BIN_EXE_qqmgr")];
    lab.program("unshare").args(own).args(line.split(' '))
}

#[test]
fn a_vm_of_another_pid_namespace_is_left_alone() {
    let lab = Lab::running();
    let said = "error: VM `a` runs in another container or pid namespace\n\
                hint: in the container that started it, stop it: qqmgr stop a\n";
    for line in ["start a", "stop a", "kill a", "restart a", "wait a --for running", "events a"] {
        elsewhere(&lab, line).run().expect(4, "", said);
    }
    let status = elsewhere(&lab, "status a --json --exit-code").run().code(0).json();
    assert_eq!((&status["state"], &status["pid"]), (&"elsewhere".into(), &serde_json::Value::Null));
    let list = elsewhere(&lab, "list").run();
    assert!(list.code(0).text().contains("\na     elsewhere  "), "{list}");
    let json = elsewhere(&lab, "stop a --json").run().code(4).json();
    assert_eq!(json["error"]["code"], "vm_elsewhere");
    elsewhere(&lab, "gc").run().code(4);
    // The VM was not touched.
    lab.status_is_true("a");
    lab.qqmgr("monitor a info status").run().code(0);
    lab.qqmgr("stop a --force").run().code(0);
}

/// A lease that can't end its VM, because the pidfile was replaced.
#[test]
fn a_keeper_that_fails_is_heard_of() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &vm("b", NO_GUEST)));
    let script = "sleep 1000 & \"$0\" start a --owner-pid $! && until test -e go; do sleep 0.1; done && kill $! && sleep 1000";
    let own = ["--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"];
    let there = lab.program("unshare").args(own).args([script, env!("CARGO_BIN_EXE_qqmgr")]);
    let mut there = there.in_pipe();
    there.shows("a: started");
    lab.qqmgr("start b").run().code(0);
    std::fs::rename(lab.vm_file("b", "pid"), lab.vm_file("a", "pid")).unwrap();
    lab.write("go", "");
    let noted = until("the keeper gives up", || {
        lab.qqmgr("list --json").run().json()[0]["keeper_error"].as_str().map(str::to_owned)
    });
    assert!(noted.ends_with("VM `a` runs in another container or pid namespace"), "{noted}");
    drop(there);
    // What remains is the VM `b`, found by its launch record.
    until("all the others are gone", || (lab.processes().len() == 1).then_some(()));
    std::fs::remove_file(lab.vm_file("a", "pid")).unwrap();
    let text = lab.qqmgr("status a").run().code(0).text();
    assert!(text.contains(&format!("\n  keeper   {noted}\n")), "{text}");
    lab.qqmgr("start a").run().code(0);
    assert!(lab.qqmgr("status a --json").run().code(0).json()["keeper_error"].is_null());
    lab.qqmgr("kill a b").run().code(0);
}

#[test]
fn a_console_that_is_held_elsewhere() {
    let lab = Lab::running();
    let held = lab.qqmgr("console a --until never").in_pipe();
    let lock = lab.vm_file("a", "console.lock");
    let holder =
        || std::fs::read_to_string(&lock).is_ok_and(|pid| pid.trim() == held.pid().to_string());
    until("it is attached", || holder().then_some(()));
    // The VM itself can't be seen there either, and no command waits forever.
    elsewhere(&lab, "console a --force").run().code(4).stdout("");
    drop(held);
    lab.qqmgr("kill a").run().code(0);
}
