//! `wait` and `start --for`: each condition, its failures, and their messages.

mod ends;
mod events;
mod guest;
mod now;

use crate::events::watches;
use crate::harness::{Lab, NO_GUEST, Outcome, fake_qemu, until, vm};
use std::fs::File;
use std::io::Write;

/// Writes output as if the guest did, into the file where QEMU keeps the log.
fn say(lab: &Lab, text: &str) {
    let mut log = File::options().append(true).open(lab.vm_file("a", "serial")).unwrap();
    log.write_all(text.as_bytes()).unwrap();
}

/// The process that is waiting.
fn waiter(lab: &Lab) -> Option<u32> {
    let mut found = lab.processes().into_iter();
    let waiter = found.find(|process| process.args.iter().any(|arg| arg == "wait"))?;
    Some(waiter.pid)
}

/// The outcome of a wait when something happens meanwhile. The wait already watches the VM's
/// directory or logs by then.
#[track_caller]
fn meanwhile(lab: &Lab, line: &str, act: impl FnOnce()) -> Outcome {
    let waits = || watches(waiter(lab)?).then_some(());
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| lab.qqmgr(line).run());
        until("it waits", waits);
        act();
        waiter.join().unwrap()
    })
}

#[test]
fn usage() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for line in ["wait a", "wait a --for nonsense", "wait a --for serial:(", "wait a --for port:0"]
    {
        lab.qqmgr(line).run().code(2).stdout("");
    }
    let not_running = "error: VM `a` is not running\nhint: start it: qqmgr start a\n";
    for condition in ["ssh", "paused", "serial:x", "event:STOP", "port:22", "file:/x"] {
        let line = format!("wait a --for {condition}");
        lab.qqmgr(&line).run().expect(4, "", not_running);
    }
    lab.qqmgr("wait a --for running --timeout 100ms").run().expect(
        5,
        "",
        "error: VM `a`: timed out after 100ms waiting for running: it was not started\n\
         hint: see its state: qqmgr status a\n",
    );
    lab.qqmgr("wait a --for stopped --for ssh").run().expect(4, "", not_running);
    lab.qqmgr("wait b --for running").run().code(4);
    let stopped = lab.qqmgr("wait a --for stopped --json").run();
    stopped.ok("{\"name\":\"a\",\"held\":[\"stopped\"],\"seconds\":[SECONDS]}\n");
}

#[test]
fn running_when_somebody_starts_it_meanwhile() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let waited = meanwhile(&lab, "wait a --for running --json", || {
        lab.qqmgr("start a").run().code(0);
    });
    waited.ok("{\"name\":\"a\",\"held\":[\"running\"],\"seconds\":[SECONDS]}\n");
    lab.qqmgr("wait a --for running").run().ok("a: after [SECONDS]: running\n");
}

#[test]
fn the_serial_log_of_this_boot() {
    let lab = Lab::running();
    say(&lab, "there before\r\nlogin: ");
    lab.qqmgr("wait a --for 'serial:^there before$'")
        .run()
        .ok("a: after [SECONDS]: serial:^there before$\n");
    lab.qqmgr("wait a --for 'serial:^login: $' --for serial:there")
        .run()
        .ok("a: after [SECONDS]: serial:^login: $, serial:there\n");
    let waited = meanwhile(&lab, "wait a --for 'serial:^login: root$' --json", || {
        say(&lab, "ro");
        say(&lab, "ot");
    });
    waited.ok("{\"name\":\"a\",\"held\":[\"serial:^login: root$\"],\"seconds\":[SECONDS]}\n");
    lab.qqmgr("wait a --for serial:nowhere --for serial:before --any")
        .run()
        .ok("a: after [SECONDS]: serial:before\n");
    lab.qqmgr("stop a --force").run().code(0);
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("wait a --for serial:before --timeout 100ms").run().code(5);
}

#[test]
fn milestones_that_come_at_once() {
    let lab = Lab::running();
    let noted = || lab.qqmgr("timeline a --json").run().code(0).json()["kernel"].is_number();
    let waited = meanwhile(&lab, "wait a --for serial:end", || {
        say(&lab, "[    0.000000] Linux version 6\nand more\n");
        until("the kernel's first line is noted", || noted().then_some(()));
        say(&lab, "end\n");
    });
    waited.ok("a: after [SECONDS]: serial:end\n");
}

#[test]
fn milestones_after_a_reset_are_those_of_the_next_boot() {
    let lab = Lab::running();
    let timeline = || lab.qqmgr("timeline a --json").run().code(0).json();
    let mut after_reset = serde_json::Value::Null;
    let waited = meanwhile(&lab, "wait a --for serial:end", || {
        lab.qqmgr("restart a --reset").run().code(0);
        after_reset = timeline();
        say(&lab, "said\n");
        until("that is read", || (lab.positions(waiter(&lab)?) == [5]).then_some(()));
        say(&lab, "end\n");
    });
    waited.ok("a: after [SECONDS]: serial:end\n");
    let noted = timeline();
    assert_eq!(noted["spawned_at"], after_reset["spawned_at"]);
    assert!(noted["serial"].is_number() && noted["kernel"].is_null(), "{noted}");
}

#[test]
fn a_timeout_tells_what_held_and_how_the_log_ends() {
    let lab = Lab::running();
    say(&lab, "one\r\n\x1b[1mtw\x1b]0;title\x07o\x1b[m\x1b[6n");
    lab.qqmgr("wait a --for serial:one --for serial:three --for event:STOP --timeout 100ms")
        .run()
        .expect(
            5,
            "",
            "error: VM `a`: timed out after 100ms waiting for serial:three, event:STOP; already met: serial:one\n\
             the serial log ends:\none\ntwo\n\
             hint: the VM keeps running; see its log: qqmgr serial a -n 50\n",
        );
    let json = lab.qqmgr("wait a --for serial:three --timeout 0.1 --json").run().code(5).json();
    assert_eq!(json["error"]["code"], "wait_timeout");
}

#[test]
fn a_start_that_waits() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &fake_qemu("b", "")));
    lab.qqmgr("start a --for running")
        .run()
        .ok("a: started (pid [PID]), SSH on port [PORT]; after [SECONDS]: running\n");
    let again = lab.qqmgr("start a --for running --json").run();
    again.ok("{\"name\":\"a\",\"pid\":[PID],\"already_running\":true,\"ssh_port\":[PORT],\"ports\":{},\
              \"ignored_args\":[],\"warnings\":[],\"lease\":null,\"held\":[\"running\"],\"seconds\":[SECONDS]}\n");
    lab.qqmgr("start a --for serial:x --timeout 100ms").run().code(5).stdout("");
    lab.qqmgr("start b --for nonsense").run().code(2);
    assert_eq!(lab.qemus().len(), 1);
}
