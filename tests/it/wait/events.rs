//! Waits for events and run states.

use super::meanwhile;
use crate::events::Qmp;
use crate::harness::{Lab, fake_qemu, until};

#[test]
fn an_event_that_qemu_does_not_have() {
    let lab = Lab::running();
    lab.qqmgr("wait a --for event:STPO").run().expect(
        2,
        "",
        "error: VM `a`: its QEMU has no event `STPO`\nhint: did you mean `STOP`?\n",
    );
    let json = lab.qqmgr("wait a --for serial:x --fail-on event:x --json").run().code(2).json();
    assert_eq!(json["error"]["code"], "usage");
}

#[test]
fn states_and_events() {
    let lab = Lab::running();
    Qmp::open(&lab).run(&["stop"]);
    lab.qqmgr("wait a --for paused").run().ok("a: after [SECONDS]: paused\n");
    // The event itself ends each wait, long before its timeout.
    for (condition, back, forth) in [("running", "stop", "cont"), ("paused", "cont", "stop")] {
        Qmp::open(&lab).run(&[back]);
        let line = format!("wait a --for {condition} --for serial:x --any --fail-on serial:y");
        let waited = meanwhile(&lab, &line, || Qmp::open(&lab).run(&[forth]));
        waited.ok(&format!("a: after [SECONDS]: {condition}\n"));
    }
    let reset = || Qmp::open(&lab).run(&["system_reset"]);
    let waited = meanwhile(&lab, "wait a --for event:reset", reset);
    waited.ok("a: after [SECONDS]: event:RESET\n");
    // A VM that is reset while paused is still paused.
    assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "prelaunch");
    lab.qqmgr("wait a --for paused").run().ok("a: after [SECONDS]: paused\n");
    Qmp::open(&lab).run(&["cont"]);
    let line = "wait a --for stopped --for serial:x --any";
    let waited = meanwhile(&lab, line, || {
        lab.qqmgr("stop a --force").run().code(0);
    });
    waited.ok("a: after [SECONDS]: stopped\n");
}

#[test]
fn an_event_that_came_before() {
    let lab = Lab::running();
    Qmp::open(&lab).run(&["stop", "cont"]);
    lab.qqmgr("wait a --for event:STOP --timeout 100ms").run().code(5).stdout("");
    lab.qqmgr("wait a --for event:STOP --since-start").run().ok("a: after [SECONDS]: event:STOP\n");
    lab.qqmgr("wait a --for serial:x --fail-on event:STOP --since-start").run().expect(
        1,
        "",
        "error: VM `a`: event:STOP matched (--fail-on)\n",
    );
    let line = "wait a --for event:STOP --for event:SHUTDOWN --since-start --json";
    let waited = meanwhile(&lab, line, || Qmp::open(&lab).run(&["quit"]));
    let held = &waited.code(0).json()["held"];
    assert_eq!(*held, serde_json::json!(["event:STOP", "event:SHUTDOWN"]));
}

/// Only QMP can tell this: the log does not say why QEMU stopped the guest.
#[test]
fn a_state_that_has_to_be_asked_for() {
    let lab = Lab::new(&fake_qemu("a", "no-log"));
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("wait a --for running").run().ok("a: after [SECONDS]: running\n");
    lab.qqmgr("stop a").run().code(0);
    until("nobody is left", || lab.processes().is_empty().then_some(()));
}
