//! Waiting for events and run states, also where some are lost.

use super::meanwhile;
use crate::events::{Listener, Qmp, relay, running};
use crate::harness::{Lab, until};
use rustix::process::Signal;

/// How many descriptors the relay has: each listener adds one.
pub fn descriptors(lab: &Lab) -> usize {
    let fds =
        relay(lab).and_then(|relay| std::fs::read_dir(format!("/proc/{}/fd", relay.pid())).ok());
    fds.map_or(0, Iterator::count)
}

#[test]
fn events_that_are_lost() {
    let lab = running();
    let other = Listener::start(&lab, "out", "");
    other.hears(&mut Qmp::open(&lab));
    // An event that may have been missed can't be waited for any longer, a state can be asked for.
    let lost = "error: VM `a`: events may have been missed here: the relay was killed\n";
    for (condition, code, stdout, stderr) in
        [("event:STOP", 1, "", lost), ("paused", 0, "a: after [SECONDS]: paused\n", "")]
    {
        let before = descriptors(&lab);
        let line = format!("wait a --for {condition} --for serial:x --any --timeout 20s");
        let outcome = meanwhile(&lab, &line, || {
            until("it listens", || (descriptors(&lab) == before + 2).then_some(()));
            // What the other one has got went to this one as well.
            let heard = other.events().len();
            Qmp::open(&lab).run(&["system_reset"]);
            until("the other one hears", || (other.events().len() > heard).then_some(()));
            relay(&lab).unwrap().signal(Signal::KILL).unwrap();
            if condition == "paused" {
                Qmp::open(&lab).run(&["stop"]);
            }
        });
        outcome.expect(code, stdout, stderr);
        until("the next relay is alone with the other one", || {
            (relay(&lab).is_some() && descriptors(&lab) == before).then_some(())
        });
    }
    lab.qqmgr("stop a --force").run().code(0);
    assert_eq!(other.end(), 0);
}

#[test]
fn an_event_that_qemu_does_not_have() {
    let lab = running();
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
    let lab = running();
    let mut qmp = Qmp::open(&lab);
    qmp.run(&["stop"]);
    drop(qmp);
    lab.qqmgr("wait a --for paused").run().ok("a: after [SECONDS]: paused\n");
    // Each is told by the event itself, long before the wait would be over.
    for (condition, back, forth) in [("running", "stop", "cont"), ("paused", "cont", "stop")] {
        Qmp::open(&lab).run(&[back]);
        let line = format!("wait a --for {condition} --for serial:x --any --fail-on serial:y");
        let waited = meanwhile(&lab, &line, || Qmp::open(&lab).run(&[forth]));
        waited.ok(&format!("a: after [SECONDS]: {condition}\n"));
    }
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| lab.qqmgr("wait a --for event:reset --timeout 10s").run());
        let mut qmp = Qmp::open(&lab);
        until("it hears", || {
            qmp.run(&["system_reset"]);
            waiter.is_finished().then_some(())
        });
        waiter.join().unwrap().ok("a: after [SECONDS]: event:RESET\n");
    });
    Qmp::open(&lab).run(&["cont"]);
    let line = "wait a --for stopped --for serial:x --any";
    let waited = meanwhile(&lab, line, || {
        lab.qqmgr("stop a --force").run().code(0);
    });
    waited.ok("a: after [SECONDS]: stopped\n");
}
