//! Ctrl-C and SIGTERM end a verb, which prints what it leaves running.

use crate::harness::{Lab, NO_GUEST, fake_qemu, until, vm};
use rustix::process::Signal;

#[test]
fn what_is_left_running_is_told() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let pid = || lab.qqmgr("status a --json").run().code(0).json()["pid"].as_u64();
    let mut start = lab.qqmgr("start a --for serial:x").at_terminal();
    let pid = until("it runs", pid);
    let told = format!("; a is left running (pid {pid}): qqmgr stop a\r\n");
    start.types("\x03").shows(&format!("interrupted{told}"));
    assert_eq!(start.ends(), 130);
    let mut wait = lab.qqmgr("wait a --for serial:x").at_terminal();
    until("it waits", || crate::events::watches(wait.pid()).then_some(()));
    wait.signal(Signal::TERM);
    wait.shows(&format!("terminated{told}"));
    assert_eq!(wait.ends(), 143);
    let mut wait = lab.qqmgr("wait a --for serial:x --json").in_pipe();
    until("it waits", || crate::events::watches(wait.pid()).then_some(()));
    wait.signal(Signal::INT);
    wait.shows(&format!(
        "{{\"error\":{{\"code\":\"interrupted\",\"message\":\"interrupted; a is left running \
         (pid {pid})\",\"hint\":\"qqmgr stop a\",\"location\":null}}}}\n"
    ));
    assert_eq!(wait.ends(), 130);
    // A restart that waits for the guest to power down.
    let mut restart = lab.qqmgr("restart a").at_terminal();
    until("it is being stopped", || lab.vm_file("a", "end.json").exists().then_some(()));
    restart.types("\x03").shows(&format!("interrupted{told}"));
    assert_eq!(restart.ends(), 130);
    lab.qqmgr("kill a").run().code(0);
}

#[test]
fn several_and_none() {
    let lab = Lab::new(&(fake_qemu("a", "") + &fake_qemu("b", "")));
    lab.qqmgr("start a b").run().code(0);
    let mut wait = lab.qqmgr("wait a b --for serial:x").at_terminal();
    until("it waits", || crate::events::watches(wait.pid()).then_some(()));
    wait.types("\x03").shows("interrupted; a (pid ").shows("), b (pid ");
    wait.shows(") are left running: qqmgr stop a b\r\n");
    assert_eq!(wait.ends(), 130);
    lab.qqmgr("stop a b").run().code(0);
    let mut wait = lab.qqmgr("wait a --for running").at_terminal();
    until("it waits", || crate::events::watches(wait.pid()).then_some(()));
    wait.types("\x03").shows("interrupted; no VM is left running\r\n");
    assert_eq!(wait.ends(), 130);
}
