//! The progress line: only a terminal shows it.

use crate::harness::{Lab, NO_GUEST, fake_qemu, guest_vm, until, vm};
use std::fs::File;
use std::io::Write;

fn say(lab: &Lab, vm: &str, text: &str) {
    let mut log = File::options().append(true).open(lab.vm_file(vm, "serial")).unwrap();
    log.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_wait_shows_its_condition_and_the_guests_last_words() {
    let lab = Lab::new(&(vm("a", NO_GUEST) + &vm("b", NO_GUEST)));
    let line = "start a b --for serial:up --for running --timeout 170s";
    let mut start = lab.qqmgr(line).env("TERM", "xterm").at_terminal();
    start.shows("a (and 1 more): waiting for serial:up, ");
    let mut quiet =
        lab.qqmgr("wait a --for serial:up --timeout 170s -q").env("TERM", "xterm").at_terminal();
    say(&lab, "a", "hello \x1b]0;title\x07\x1b[1mworld\r\n");
    start.shows(" | hello world");
    say(&lab, "a", "up\n");
    start.shows("a: started (pid ").shows("b: waiting for serial:up, ");
    say(&lab, "b", "up\n");
    start.shows("b: started (pid ");
    assert_eq!((start.ends(), quiet.ends()), (0, 0));
    assert!(!quiet.text().contains("waiting"), "{}", quiet.text());
    let mut json = lab
        .qqmgr("wait a --for serial:never --timeout 1s --json")
        .env("TERM", "xterm")
        .at_terminal();
    assert_eq!(json.ends(), 5);
    assert!(!json.text().contains("a: waiting"), "{}", json.text());
    lab.qqmgr("kill a b").run().code(0);
}

#[test]
fn a_stop_and_what_is_interrupted() {
    let lab = Lab::new(&fake_qemu("a", "ignore-powerdown"));
    lab.qqmgr("start a").run().code(0);
    let mut restart = lab.qqmgr("restart a --timeout 170s").env("TERM", "xterm").at_terminal();
    restart.shows("a: waiting for the guest to power down, ");
    // Ctrl-C erases the line first.
    restart.types("\x03").shows("\x1b[2K").shows("interrupted; a is left running (pid ");
    assert_eq!(restart.ends(), 130);
    let mut stop = lab.qqmgr("stop a --timeout 3s").env("TERM", "xterm").at_terminal();
    stop.shows("a: waiting for the guest to power down, ").shows("a: stopped (pid ");
    assert_eq!(stop.ends(), 0);
}

#[test]
fn a_run_names_its_instance_and_leaves_the_terminal_to_its_command() {
    let lab = Lab::new(&guest_vm("a"));
    let mut run = lab
        .qqmgr("run a -- 'echo begun; read line; echo $line'")
        .env("TERM", "xterm")
        .at_terminal();
    run.shows("to watch a+").shows(": qqmgr serial a+").shows(": waiting for ssh, ");
    run.shows("begun\r\n");
    let begun = run.text().len();
    // In this time, a line would be drawn.
    lab.qqmgr("wait * --for serial:never --timeout 1s").run().code(5);
    run.types("typed\n").shows("typed\r\n");
    assert_eq!(run.ends(), 0);
    let after = run.text().split_off(begun);
    assert!(!after.contains("waiting for ssh"), "{after}");
    let mut quiet = lab.qqmgr("run -q a -- true").env("TERM", "xterm").at_terminal();
    assert_eq!(quiet.ends(), 0);
    assert!(!quiet.text().contains("a+"), "{}", quiet.text());
    until("nobody is left", || lab.processes().is_empty().then_some(()));
}
