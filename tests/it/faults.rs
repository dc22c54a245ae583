//! A QEMU with faulty QMP: clear errors in bounded time, and a `stop` that still works.

use crate::harness::{Alive, Lab, fake_qemu, side_by_side, until};
use std::os::unix::net::UnixStream;

/// Each fault in place of a reply, and what `status` says about it.
const FAULTS: [(&str, i32, &str, &str); 6] = [
    ("mute", 5, "qmp_timeout", "QMP did not answer within 5s"),
    ("flood", 5, "qmp_timeout", "QMP did not answer within 5s"),
    ("garbage", 1, "qmp_failed", "bad QMP message (not JSON): HTTP/1.1 400 Bad Request"),
    ("megabytes", 1, "qmp_failed", "a QMP message is longer than 16777216 bytes"),
    ("half-line", 0, "", ""),
    ("die", 0, "", ""),
];

#[test]
fn status_ends_with_a_clear_error() {
    side_by_side(&FAULTS, |&(fault, code, name, message)| {
        let lab = Lab::new(&fake_qemu("a", &format!("no-log,{fault}-on=query-status")));
        lab.qqmgr("start a").run().code(0);
        let outcome = lab.qqmgr("status a --json").run();
        let json = outcome.code(code).stderr("").json();
        if code == 0 {
            assert_eq!(json["state"], "stopped", "{outcome}");
            return;
        }
        assert_eq!(json["error"]["code"], name, "{outcome}");
        let pid = lab.qemus()[0];
        let expected = format!("VM `a` (pid {pid}): {message}");
        assert_eq!(json["error"]["message"], expected, "{outcome}");
        let hint = json["error"]["hint"].as_str().unwrap();
        assert_eq!(hint, "if it stays hung: qqmgr stop --force a", "{outcome}");
    });
}

#[test]
fn late_and_in_pieces_is_no_error() {
    for script in ["late=100", "pieces", "late=20,pieces"] {
        let lab = Lab::new(&fake_qemu("a", script));
        lab.qqmgr("start a").run().ok("a: started (pid [PID]), SSH on port [PORT]\n");
        assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "running");
        lab.qqmgr("stop a")
            .run()
            .ok("a: stopped (pid [PID]) after [SECONDS]: the guest powered down\n");
    }
}

#[test]
fn too_late_is_one() {
    let lab = Lab::new(&fake_qemu("a", "no-log,late=2500"));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("status a").run().expect(
        5,
        "",
        "error: VM `a` (pid [PID]): QMP did not answer within 5s\n\
         hint: if it stays hung: qqmgr stop --force a\n",
    );
}

#[test]
fn start_ends_with_a_clear_error_and_leaves_nothing() {
    // Only a QEMU that sends nothing at all is waited for to the end.
    for (script, options, code, name) in [
        ("mute-on=greeting", "--timeout 1500ms", 5, "start_timeout"),
        ("mute-on=qmp_capabilities", "--timeout 1500ms", 5, "start_timeout"),
        ("garbage", "", 1, "qmp_failed"),
        ("megabytes", "", 1, "qmp_failed"),
        ("half-line-on=qmp_capabilities", "", 1, "qemu_failed"),
        ("die-on=qmp_capabilities", "", 1, "qemu_failed"),
    ] {
        let lab = Lab::new(&fake_qemu("a", script));
        let outcome = lab.qqmgr(&format!("start a --json {options}")).run();
        let found = (outcome.code, outcome.json()["error"]["code"].clone());
        assert_eq!(found, (code, name.into()), "{script}\n{outcome}");
        outcome.stderr("");
        assert!(lab.processes().is_empty(), "{script}: {:?}", lab.processes());
        assert!(!lab.vm_file("a", "qmp.socket").exists(), "{script}");
        assert!(!lab.vm_file("a", "pid").exists(), "{script}");
    }
}

#[test]
fn stop_goes_down_the_ladder() {
    let rungs = [
        ("mute-on=query-status", "quit"),
        ("mute-on=system_powerdown", "quit"),
        ("garbage-on=query-status", "quit"),
        ("megabytes-on=query-status,megabytes-on=quit", "sigterm"),
        ("flood", "sigterm"),
        ("mute-on=query-status,mute-on=quit", "sigterm"),
        ("mute-on=query-status,garbage-on=quit,ignore-term", "sigkill"),
        ("half-line-on=system_powerdown", "powerdown"),
        ("die-on=system_powerdown", "powerdown"),
        ("ignore-powerdown,die-on=quit", "quit"),
        ("ignore-powerdown,half-line-on=quit", "quit"),
    ];
    side_by_side(&rungs, |(script, method)| {
        let lab = Lab::new(&fake_qemu("a", script));
        lab.qqmgr("start a").run().code(0);
        let outcome = lab.qqmgr("stop a --timeout 500ms --json").run();
        assert_eq!(outcome.code(0).stderr("").json()["method"], *method, "{script}\n{outcome}");
        assert!(lab.processes().is_empty(), "{script}: {:?}", lab.processes());
        lab.qqmgr("status a --exit-code").run().code(4);
    });
}

#[test]
fn a_socket_that_another_client_holds() {
    let lab = Lab::running();
    let other = UnixStream::connect(lab.vm_file("a", "qmp.socket")).unwrap();
    let held = "QMP did not answer within 5s: another client uses the socket\n";
    // The event log tells the state anyway.
    assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "running");
    lab.qqmgr("restart a --reset").run().expect(
        5,
        "",
        &format!(
            "error: VM `a` (pid [PID]): {held}hint: close the other client: QEMU serves only one on qmp.socket\n"
        ),
    );
    let json = lab.qqmgr("restart a --reset --json").run().code(5).json();
    assert_eq!(json["error"]["code"], "qmp_held");
    lab.qqmgr("start a").run().ok("a: is already running (pid [PID]), SSH on port [PORT]\n");
    lab.qqmgr("stop a --timeout 100ms").run().expect(
        0,
        "a: stopped (pid [PID]) after [SECONDS]: SIGTERM\n",
        &format!("a: {held}a: {held}"),
    );
    assert!(lab.processes().is_empty());
    drop(other);
}

#[test]
fn a_client_that_leaves_in_time_delays_only() {
    let lab = Lab::running();
    let other = UnixStream::connect(lab.vm_file("a", "qmp.socket")).unwrap();
    std::thread::scope(|scope| {
        let reset = scope.spawn(|| lab.qqmgr("restart a --reset").run());
        let asks = |process: &Alive| process.args.iter().any(|arg| arg == "--reset");
        until("it waits for its turn", || {
            let asking = lab.processes().into_iter().find(asks)?;
            let fds = std::fs::read_dir(format!("/proc/{}/fd", asking.pid)).ok()?.flatten();
            let mut targets = fds.filter_map(|fd| std::fs::read_link(fd.path()).ok());
            targets.any(|target| target.to_string_lossy().starts_with("socket:")).then_some(())
        });
        drop(other);
        reset.join().unwrap().code(0);
    });
}

#[test]
fn who_waits_for_another_client_asks_seldom() {
    let lab = Lab::running();
    let _other = UnixStream::connect(lab.vm_file("a", "serial.socket")).unwrap();
    let mut console = lab.qqmgr("console a").in_pipe();
    let file = |name: &str| format!("/proc/{}/{name}", console.pid());
    let mut reads: u64 = 0;
    until("it gives up", || {
        let io = std::fs::read_to_string(file("io")).unwrap_or_default();
        let count = io.lines().find_map(|line| line.strip_prefix("syscr: ")?.parse().ok());
        reads = reads.max(count.unwrap_or(0));
        std::fs::read_link(file("exe")).is_err().then_some(())
    });
    assert_eq!(console.ends(), 1);
    assert!((1..500).contains(&reads), "{reads}");
}
