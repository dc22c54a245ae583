//! Waits that end with the VM, or with `--fail-on`: the messages, and the crash bundle.

use super::{meanwhile, say};
use crate::harness::{Lab, NO_GUEST, until, vm};
use rustix::process::Signal;

#[test]
fn the_death_of_qemu() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for condition in ["serial:x", "paused", "event:STOP", "ssh"] {
        lab.qqmgr("start a").run().code(0);
        let qemu = lab.qemu();
        let line = format!("wait a --for serial:never --for {condition} --timeout 50s");
        let outcome = meanwhile(&lab, &line, || qemu.signal(Signal::KILL));
        outcome.expect(
            1,
            "",
            "error: VM `a` ended during the wait: QEMU died\n\
             crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
        );
        let status = lab.qqmgr("status a --json").run().code(0).json();
        assert!(status["ended"]["bundle"].is_string(), "{status}");
    }
    lab.qqmgr("start a").run().code(0);
    let qemu = lab.qemu();
    // The other condition can't be met any more.
    let line = "wait a --for stopped --for serial:x --timeout 50s --json";
    let json = meanwhile(&lab, line, || qemu.signal(Signal::KILL)).code(1).stderr("").json();
    assert_eq!(json["error"]["code"], "vm_died");
}

#[test]
fn what_comes_with_the_end() {
    let lab = Lab::running();
    let waited = meanwhile(&lab, "wait a --for stopped --for event:SHUTDOWN", || {
        lab.qqmgr("stop a --force").run().code(0);
    });
    waited.ok("a: after [SECONDS]: stopped, event:SHUTDOWN\n");
}

#[test]
fn an_end_that_was_asked_for_is_no_crash() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for (end, how) in [
        ("stop a --force", "stopped"),
        ("kill a", "killed by SIGKILL"),
        ("stop a --timeout 100ms", "stopped"),
    ] {
        lab.qqmgr("start a").run().code(0);
        let waited = meanwhile(&lab, "wait a --for serial:never", || {
            lab.qqmgr(end).run().code(0);
        });
        let said = format!("error: VM `a` ended during the wait: it was {how}\n");
        waited.expect(1, "", &said);
    }
    assert!(!lab.vm_file("a", "crashes").exists());
}

#[test]
fn an_end_after_a_stop_that_was_broken_off_is_one() {
    let lab = Lab::running();
    let mut stop = lab.qqmgr("stop a --timeout 50s").spawn();
    until("it is stopping", || lab.vm_file("a", "end.json").exists().then_some(()));
    stop.kill().unwrap();
    stop.wait().unwrap();
    let waited = meanwhile(&lab, "wait a --for serial:never", || lab.qemu().signal(Signal::KILL));
    waited.expect(
        1,
        "",
        "error: VM `a` ended during the wait: QEMU died\n\
         crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n",
    );
}

#[test]
fn a_panic_before_the_end_is_told() {
    let lab = Lab::running();
    let said = "Kernel panic - not syncing: no init";
    let panicked = "error: VM `a`: the guest panicked: no init\nthe serial log shows:\nKernel panic - not \
                    syncing: no init\ncrash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n";
    let death = || {
        say(&lab, said);
        lab.qemu().signal(Signal::KILL);
    };
    meanwhile(&lab, "wait a --for serial:never", death).expect(1, "", panicked);
    lab.qqmgr("start a").run().code(0);
    let json = meanwhile(&lab, "wait a --for serial:never --json", death).code(1).json();
    assert_eq!(json["error"]["code"], "guest_panicked");
    assert_eq!(json["error"]["message"], "VM `a`: the guest panicked: no init");
    assert_eq!(json["error"]["excerpt"], said);
}

#[test]
fn a_panic_that_only_qemu_tells() {
    let lab = Lab::new(&vm("a", &format!("{NO_GUEST} -device pvpanic")));
    lab.qqmgr("start a").run().code(0);
    let outcome = meanwhile(&lab, "wait a --for serial:never", || {
        // As the guest's driver does it.
        lab.qqmgr("monitor a o /b 0x505 1").run().code(0);
    });
    let bundle = "crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n";
    outcome.expect(1, "", &format!("error: VM `a`: the guest panicked\n{bundle}"));
}

#[test]
fn what_must_not_hold() {
    let lab = Lab::running();
    say(&lab, "Kernel says\n");
    let failed = "error: VM `a`: serial:says matched (--fail-on)\n";
    lab.qqmgr("wait a --for serial:x --fail-on serial:says").run().expect(1, "", failed);
    let json = lab.qqmgr("wait a --for serial:x --fail-on serial:says --json").run();
    assert_eq!(json.code(1).stderr("").json()["error"]["code"], "wait_failed");
    let line = "wait a --for serial:x --fail-on serial:Oops --fail-on stopped";
    let failed = failed.replace("serial:says", "serial:Oops");
    meanwhile(&lab, line, || say(&lab, "Oops")).expect(1, "", &failed);
    // If the VM crashed, there is a bundle.
    let bundle = "crash bundle: [DIR]/.qqmgr/vm.a/crashes/[BUNDLE]\n";
    let line = "wait a --for serial:x --fail-on 'serial:Kernel panic'";
    let failed = failed.replace("serial:Oops", "serial:Kernel panic") + bundle;
    let waited = meanwhile(&lab, line, || say(&lab, "Kernel panic - not syncing: test\n"));
    waited.expect(1, "", &failed);
    let panicked = "a: its state is `panicked` (test); `qqmgr restart a --reset` boots it again\n";
    let failed = panicked.to_owned() + &failed.replace("serial:Kernel panic", "stopped");
    let line = "wait a --for serial:x --fail-on stopped";
    let waited = meanwhile(&lab, line, || {
        lab.qqmgr("kill a").run().code(0);
    });
    waited.expect(1, "", &failed);
}
