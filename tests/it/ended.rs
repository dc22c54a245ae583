//! How a VM ended, in `status`, `list` and every error that follows from it.

use crate::harness::{Lab, NO_GUEST, fake_qemu, until, vm};
use rustix::process::Signal;
use serde_json::Value;

fn ended(lab: &Lab) -> Value {
    lab.qqmgr("status a --json").run().code(0).stderr("").json()["ended"].clone()
}

/// What `list` says about the only VM.
fn note(lab: &Lab) -> String {
    let text = lab.qqmgr("list").run().code(0).text();
    let (head, row) = text.trim_end().split_once('\n').unwrap();
    row[head.find("NOTE").unwrap()..].to_owned()
}

/// Makes the machine do something until it ends: the firmware takes a moment to be ready.
fn until_it_ends(lab: &Lab, command: &str) {
    until("it ends", || {
        if lab.qqmgr("status a --exit-code").run().code == 4 {
            return Some(());
        }
        lab.qqmgr(&format!("monitor a {command}")).run();
        None
    });
}

#[test]
fn by_the_guest() {
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} -no-reboot")));
    // As ACPI does: the PM1 control register, and the reset register.
    for (command, reason, noted, words) in [
        (
            "o /w 0x604 0x2000",
            "guest-shutdown",
            "powered down by the guest",
            "the guest powered down",
        ),
        (
            "o /b 0xcf9 6",
            "guest-reset",
            "guest rebooted with -no-reboot",
            "the guest rebooted, and -no-reboot ended QEMU",
        ),
    ] {
        lab.qqmgr("start a").run().code(0);
        assert!(ended(&lab).is_null());
        until_it_ends(&lab, command);
        let ended = ended(&lab);
        assert_eq!((&ended["by"], &ended["reason"]), (&"guest".into(), &reason.into()), "{ended}");
        assert!(ended["at"].as_f64().unwrap() > 1e9 && ended["bundle"].is_null(), "{ended}");
        assert!(note(&lab).starts_with(noted) && note(&lab).ends_with(" ago"), "{}", note(&lab));
        let text = lab.qqmgr("status a").run().code(0).text();
        assert!(text.contains(&format!("\n  ended    {words}, ")), "{text}");
        let said =
            format!("error: VM `a` is not running: {words}\nhint: start it: qqmgr start a\n");
        lab.qqmgr("ssh a true").run().expect(125, "", &said);
        lab.qqmgr("wait a --for ssh").run().expect(4, "", &said);
        let json = lab.qqmgr("wait a --for ssh --json").run().code(4).json();
        assert_eq!(json["error"]["ended"]["reason"], reason);
    }
}

#[test]
fn while_it_is_waited_for() {
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} -no-reboot -device pvpanic")));
    let said = std::thread::scope(|scope| {
        let start = scope.spawn(|| lab.qqmgr("start a --for serial:never").run());
        until("it runs", || (lab.qqmgr("status a --exit-code").run().code == 0).then_some(()));
        until_it_ends(&lab, "o /b 0xcf9 6");
        start.join().unwrap()
    });
    said.expect(
        1,
        "",
        "error: VM `a` ended during the wait: the guest rebooted, and -no-reboot ended QEMU\n\
         crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
    );
    assert!(ended(&lab)["bundle"].as_str().unwrap().contains("/crashes/"));
    lab.qqmgr("start a").run().code(0);
    until_it_ends(&lab, "o /b 0x505 1");
    let ended = ended(&lab);
    assert_eq!((&ended["by"], &ended["reason"]), (&"guest".into(), &"guest-panic".into()));
    assert!(ended["bundle"].is_null(), "that of the life before is not this one's: {ended}");
    assert!(note(&lab).starts_with("guest panicked"), "{}", note(&lab));
}

#[test]
fn by_qqmgr_by_a_signal_and_without_a_word() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for (line, by, reason, noted) in [
        ("stop a --force", "stop", "host-qmp-quit", "stopped "),
        ("kill a", "kill", "sigkill", "killed by SIGKILL "),
        ("stop a --timeout 50ms", "stop", "host-qmp-quit", "stopped "),
    ] {
        lab.qqmgr("start a").run().code(0);
        lab.qqmgr(line).run().code(0);
        let ended = ended(&lab);
        assert_eq!((&ended["by"], &ended["reason"]), (&by.into(), &reason.into()), "{ended}");
        assert!(note(&lab).starts_with(noted), "{}", note(&lab));
    }
    for (signal, by, reason, noted) in [
        (Signal::TERM, "signal", "host-signal", "ended by a signal "),
        (Signal::KILL, "qemu", "died", "QEMU died"),
    ] {
        lab.qqmgr("start a").run().code(0);
        let qemu = lab.qemu();
        qemu.ends(|| qemu.signal(signal));
        let ended = ended(&lab);
        assert_eq!((&ended["by"], &ended["reason"]), (&by.into(), &reason.into()), "{ended}");
        assert!(note(&lab).starts_with(noted), "{}", note(&lab));
        if signal == Signal::TERM {
            let us = format!("terminating on signal 15 from pid {}", std::process::id());
            assert!(ended["detail"].as_str().unwrap().contains(&us), "{ended}");
        }
    }
    // The time is not known, and must not be invented.
    assert!(ended(&lab)["at"].is_null());
    // QMP's `quit`, sent by another client.
    lab.qqmgr("start a").run().code(0);
    lab.qqmgr("monitor a quit").run();
    until("it ends", || (lab.qqmgr("status a --exit-code").run().code == 4).then_some(()));
    assert_eq!(ended(&lab)["by"], "qmp");
}

#[test]
fn by_its_lease_or_before_it_came_up() {
    let lab = Lab::new(&fake_qemu("a", ""));
    lab.qqmgr("start a --ttl 1s").run().code(0);
    lab.qqmgr("wait a --for stopped").run().code(0);
    until("it is noted", || (ended(&lab)["by"] == "lease").then_some(()));
    until("the keeper is done", || lab.processes().is_empty().then_some(()));
    assert!(note(&lab).starts_with("lease expired "), "{}", note(&lab));
    lab.write("qqmgr.toml", fake_qemu("a", "exit-early=3"));
    lab.qqmgr("start a").run().code(1);
    let last = ended(&lab);
    assert_eq!((&last["by"], &last["reason"]), (&"start".into(), &"exited".into()), "{last}");
    assert_eq!(last["detail"], "QEMU exited with code 3");
    assert!(last["bundle"].as_str().unwrap().contains("/crashes/"));
    assert!(note(&lab).starts_with("QEMU exited with code 3 "), "{}", note(&lab));
}

#[test]
fn a_reset_that_would_be_the_end() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for (extra, option) in [
        ("-no-reboot", Some("-no-reboot")),
        ("-action reboot=shutdown", Some("-action reboot=shutdown")),
        ("-no-reboot -action reboot=reset", None),
        ("-action panic=none", None),
    ] {
        lab.qqmgr(&format!("start a -- {extra}")).run().code(0);
        let outcome = lab.qqmgr("restart a --reset").run();
        match option {
            Some(option) => outcome.expect(
                4,
                "",
                &format!(
                    "error: VM `a` can't be reset: with `{option}`, a reset ends it\n\
                     hint: start it again: qqmgr restart a\n"
                ),
            ),
            None => outcome.ok("a: reset (pid [PID])\n"),
        };
        lab.qqmgr("status a --exit-code").run().code(0);
        lab.qqmgr("stop a --force").run().code(0);
    }
}
