//! `stop`: its steps, its messages and the files that stay.

use crate::harness::{Lab, NO_GUEST, fake_qemu, vm};
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn a_stopped_vm_is_no_error() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("stop a").run().ok("a: is not running\n");
    assert!(!lab.path(".qqmgr").exists(), "a stop makes no directory");
    lab.qqmgr("stop a --json")
        .run()
        .ok("{\"name\":\"a\",\"pid\":null,\"method\":null,\"seconds\":[SECONDS],\"notes\":[]}\n");
}

#[test]
fn each_rung_of_the_ladder() {
    const LATE: &str = "a: the guest did not power down in time\n";
    for (script, timeout, how, notes) in [
        ("", "20s", "the guest powered down", ""),
        ("refuse-on=query-status", "20s", "the guest powered down", ""),
        ("ignore-powerdown", "100ms", "QMP quit", LATE),
        ("ignore-powerdown,ignore-quit", "100ms", "SIGTERM", LATE),
        ("ignore-powerdown,ignore-quit,ignore-term", "100ms", "SIGKILL", LATE),
    ] {
        let lab = Lab::new(&fake_qemu("a", script));
        lab.qqmgr("start a").run().code(0);
        let said = format!("a: stopped (pid [PID]) after [SECONDS]: {how}\n");
        lab.qqmgr(&format!("stop a --timeout {timeout}")).run().expect(0, &said, notes);
        assert!(lab.processes().is_empty(), "{:?}", lab.processes());
        lab.qqmgr("status a").run().code(0);
        lab.qqmgr("stop a").run().ok("a: is not running\n");
    }
}

#[test]
fn real_qemu_without_a_guest_quits() {
    let lab = Lab::running();
    lab.qqmgr("stop a --timeout 0.2 --json")
        .run()
        .ok("{\"name\":\"a\",\"pid\":[PID],\"method\":\"quit\",\"seconds\":[SECONDS],\
         \"notes\":[\"the guest did not power down in time\"]}\n");
    assert!(lab.processes().is_empty());
}

#[test]
fn a_guest_that_stands_still_is_not_waited_for() {
    let note = |state: &str| format!("a: the guest can't power down: its state is `{state}`\n");
    let lab = Lab::new(&vm("a", NO_GUEST));
    for (start, state) in [("start a -- -S", "prelaunch"), ("start a", "paused")] {
        lab.qqmgr(start).run().code(0);
        if state == "paused" {
            lab.qqmgr("monitor a stop").run().code(0);
        }
        let began = Instant::now();
        let stopped = lab.qqmgr("stop a --timeout 40s").run();
        let said = "a: stopped (pid [PID]) after [SECONDS]: QMP quit\n";
        stopped.expect(0, said, &note(state));
        assert!(began.elapsed() < Duration::from_secs(20), "{stopped}");
    }
}

#[test]
fn a_guest_that_has_panicked_is_not_waited_for() {
    let lab = Lab::running();
    let log = std::fs::File::options().append(true).open(lab.vm_file("a", "serial"));
    let panic = b"Kernel panic - not syncing: x\n---[ end Kernel panic - not syncing: x ]---\n";
    std::io::Write::write_all(&mut log.unwrap(), panic).unwrap();
    let said = "a: stopped (pid [PID]) after [SECONDS]: QMP quit\n";
    let note = "a: the guest can't power down: it has panicked\n";
    lab.qqmgr("stop a --timeout 1h").run().expect(0, said, note);
}

#[test]
fn force_does_not_ask_the_guest() {
    let lab = Lab::new(&fake_qemu("a", "die-on=system_powerdown"));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("stop a --force").run().ok("a: stopped (pid [PID]) after [SECONDS]: QMP quit\n");
}

#[test]
fn logs_survive_and_begin_anew() {
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} -msg timestamp=off")));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("stop a --force").run().code(0);
    let stay = ["serial", "stdout", "stderr"];
    for name in stay {
        assert!(lab.vm_file("a", name).is_file(), "{name} is gone");
        fs::write(lab.vm_file("a", name), "of a life before\n").unwrap();
    }
    for name in ["pid", "qmp.socket", "monitor.socket", "serial.socket"] {
        assert!(!lab.vm_file("a", name).exists(), "{name} is left");
    }
    lab.qqmgr("start a").run().code(0);
    for name in stay {
        let text = fs::read_to_string(lab.vm_file("a", name)).unwrap();
        assert!(!text.contains("life before"), "{name} was not begun anew");
    }
}

#[test]
fn stale_files_are_cleaned_on_the_way() {
    let lab = Lab::new(&fake_qemu("a", ""));
    let litter = || {
        for name in ["pid", "qmp.socket", "monitor.socket", "serial.socket"] {
            lab.write(lab.vm_file("a", name), "4194303\n");
        }
    };
    litter();
    assert_eq!(lab.qqmgr("status a --json").run().json()["state"], "stopped");
    lab.qqmgr("stop a").run().ok("a: is not running\n");
    assert!(!lab.vm_file("a", "pid").exists() && !lab.vm_file("a", "qmp.socket").exists());
    litter();
    lab.qqmgr("start a").run().ok("a: started (pid [PID]), SSH on port [PORT]\n");
}

#[test]
fn a_killed_vm_is_stopped() {
    let lab = Lab::running();
    lab.processes().remove(0).end();
    lab.qqmgr("status a --exit-code").run().code(4);
    lab.qqmgr("start a").run().ok("a: started (pid [PID]), SSH on port [PORT]\n");
    lab.qqmgr("stop a --force").run().code(0);
}
