//! `wait --timeout 0`: whether conditions are met now.

use super::say;
use crate::events::Qmp;
use crate::harness::{Lab, NO_GUEST, guest_vm, vm};

/// Waits for each condition, and checks the exit code.
#[track_caller]
fn asked(lab: &Lab, answers: &[(&str, i32)]) {
    for (condition, code) in answers {
        let line = format!("wait a --timeout 0 --for {condition}");
        let outcome = lab.qqmgr(&line).run();
        let held =
            if *code == 0 { format!("a: after [SECONDS]: {condition}\n") } else { String::new() };
        outcome.code(*code).stdout(&held.replace("'", "").replace(" --since-start", ""));
    }
}

#[test]
fn what_is_known_of_a_vm() {
    let lab = Lab::running();
    asked(&lab, &[("running", 0), ("stopped", 5), ("paused", 5), ("serial:one", 5)]);
    Qmp::open(&lab).run(&["stop"]);
    say(&lab, "one\n");
    asked(&lab, &[("running", 5), ("paused", 0), ("serial:one", 0), ("event:STOP", 5)]);
    asked(&lab, &[("event:STOP --since-start", 0), ("event:RESUME --since-start", 5)]);
    lab.qqmgr("wait a --timeout 0 --for serial:two --for paused").run().expect(
        5,
        "",
        "error: VM `a`: not met: serial:two; already met: paused: its state is `paused`; \
         `qqmgr resume a` resumes it\n\
         the serial log ends:\none\n\
         hint: the VM keeps running; see its log: qqmgr serial a -n 50\n",
    );
    lab.qqmgr("wait a --timeout 0 --for serial:two --for paused --any").run().code(0);
    lab.qqmgr("wait a --timeout 0 --for serial:two --fail-on paused").run().code(1);
    lab.qqmgr("kill a").run().code(0);
    asked(&lab, &[("stopped", 0)]);
    lab.qqmgr("wait a --timeout 0 --for running").run().expect(
        5,
        "",
        "error: VM `a`: not met: running\n\
         hint: see its state: qqmgr status a\n",
    );
}

#[test]
fn what_a_guest_has() {
    let lab = Lab::new(&guest_vm("a"));
    lab.qqmgr("start a --wait").run().code(0);
    asked(&lab, &[("ssh", 0), ("port:22", 0), ("file:/tmp/x", 5), ("running", 0)]);
    lab.qqmgr("ssh a touch /tmp/x").run().code(0);
    asked(&lab, &[("file:/tmp/x", 0)]);
    lab.qqmgr("stop a --force").run().code(0);
    // This VM has no guest that could answer.
    let netdev = "-netdev user,id=n,hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22";
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} {netdev}")).replace("2222", "'auto'"));
    lab.qqmgr("start a").run().code(0);
    asked(&lab, &[("ssh", 5), ("port:22", 5), ("file:/x", 5)]);
    lab.qqmgr("kill a").run().code(0);
}
