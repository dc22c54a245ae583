//! The event log itself: what happens to it, to its readers and to QEMU when files are missing,
//! wrong or too large.

use super::{Qmp, history};
use crate::harness::{Lab, NO_GUEST, fake_qemu, until, vm};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

#[test]
fn nobody_of_qqmgrs_has_to_run_for_it() {
    let lab = Lab::running();
    assert_eq!(lab.processes().len(), 1, "{:?}", lab.processes());
    for (file, is_fifo) in [("events.in", true), ("events.out", false)] {
        let metadata = fs::metadata(lab.vm_file("a", file)).unwrap();
        assert_eq!(metadata.file_type().is_fifo(), is_fifo, "{file}");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
    }
    lab.qemu().ends(|| Qmp::open(&lab).run(&["stop", "cont", "quit"]));
    assert_eq!(history(&lab).last().unwrap(), "SHUTDOWN");
    lab.qqmgr("stop a").run().code(0);
    assert!(!lab.vm_file("a", "events.in").exists());
}

#[test]
fn what_has_its_names_already() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.write("elsewhere", "precious");
    lab.write(".qqmgr/vm.a/events.out", "");
    symlink(lab.path("elsewhere"), lab.vm_file("a", "events.in")).unwrap();
    lab.qqmgr("start a").run().code(0).stderr("");
    lab.qqmgr("monitor a stop").run().code(0);
    assert_eq!(history(&lab), ["STOP"]);
    assert_eq!(lab.read("elsewhere"), "precious");
    // Once QEMU has opened the files, they can be removed.
    fs::remove_file(lab.vm_file("a", "events.in")).unwrap();
    lab.write(".qqmgr/vm.a/events.in", "");
    lab.qqmgr("monitor a cont").run().code(0);
    assert_eq!(history(&lab), ["STOP", "RESUME"]);
    lab.qqmgr("stop a --force").run().code(0);
    lab.write(".qqmgr/vm.a/events.in/in-the-way", "");
    let refused = lab.qqmgr("start a --json").run().code(1).json();
    assert_eq!(refused["error"]["code"], "runtime_dir_unusable");
    assert!(lab.processes().is_empty());
}

#[test]
fn commands_that_do_not_reach_qemu() {
    let lab = Lab::new(&fake_qemu("a", "slow-socket=500"));
    std::thread::scope(|scope| {
        let start = scope.spawn(|| lab.qqmgr("start a").run());
        until("QEMU is there", || lab.vm_file("a", "pid").exists().then_some(()));
        fs::remove_file(lab.vm_file("a", "events.in")).unwrap();
        lab.program("mkfifo").args([lab.vm_file("a", "events.in")]).run().code(0);
        let said = "a: QEMU writes no event log\n";
        start.join().unwrap().expect(0, "a: started (pid [PID]), SSH on port [PORT]\n", said);
    });
    // QMP answers what the log does not.
    assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "running");
    lab.qqmgr("wait a --for running").run().code(0);
    lab.qqmgr("events a").run().expect(
        1,
        "",
        "error: VM `a`: can't follow its events: QEMU did not read its first commands from \
         events.in\n",
    );
    let json = lab.qqmgr("wait a --for event:STOP --json").run().code(1).json();
    assert_eq!(json["error"]["code"], "events_failed");
    lab.qqmgr("stop a").run().code(0);
}

#[test]
fn a_log_that_ends_in_the_middle_of_a_line() {
    let lab = Lab::running();
    Qmp::open(&lab).run(&["stop"]);
    lab.qemu().end();
    let mut log = fs::File::options().append(true).open(lab.vm_file("a", "events.out")).unwrap();
    write!(log, "{{\"timestamp\": {{\"seconds\": 1795792010, \"micro").unwrap();
    assert_eq!(history(&lab), ["STOP"]);
    let ended = &lab.qqmgr("status a --json").run().code(0).json()["ended"];
    assert_eq!((&ended["by"], &ended["reason"]), (&"qemu".into(), &"died".into()), "{ended}");
    lab.qqmgr("start a").run().code(0);
    // Whole lines that are not events count as a gap, and QMP is asked for the state.
    let log = fs::read_to_string(lab.vm_file("a", "events.out")).unwrap();
    fs::write(lab.vm_file("a", "events.out"), log + "garbage\n").unwrap();
    assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "running");
    assert_eq!(history(&lab), ["-"]);
}

/// Needs its own file system, and the right to mount one.
#[test]
fn a_full_disk() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    fs::create_dir(lab.path(".qqmgr")).unwrap();
    let script = r#"
        set -e
        mount -t tmpfs -o size=1M,mode=700 none .qqmgr
        "$0" start a
        head -c 10000000 /dev/zero >.qqmgr/fill 2>/dev/null || true
        for _ in 1 2 3; do "$0" monitor a stop; "$0" monitor a cont; done
        "$0" monitor a stop
        "$0" status a | head -n 1
        "$0" events a --all --timeout 0 | wc -l
        "$0" stop a --force
        "$0" status a | sed -n 's/, .*//; s/^  ended  *//p'
    "#;
    let all = ["--mount", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_qqmgr")];
    let outcome = lab.program("unshare").args(all).run();
    outcome.code(0).stderr("");
    let text = outcome.text();
    let lines: Vec<_> = text.lines().skip(1).collect();
    let stopped = lines[2].starts_with("a: stopped (pid ");
    assert!(lines[..2] == ["a: paused", "7"] && stopped && lines[3] == "it was stopped", "{text}");
    assert!(lab.processes().is_empty());
}
