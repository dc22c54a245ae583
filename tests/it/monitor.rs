//! `monitor`: one command, or a session.

use crate::harness::{Lab, NO_GUEST, vm};
use std::os::unix::net::UnixStream;

#[test]
fn a_command_and_its_answer() {
    let lab = Lab::running();
    lab.qqmgr("monitor a info status").run().ok("VM status: running\n");
    lab.qqmgr("monitor a stop").run().ok("");
    lab.qqmgr("monitor a 'info status'").run().ok("VM status: paused\n");
    lab.qqmgr("monitor a --json info status")
        .run()
        .ok("{\"command\":\"info status\",\"output\":\"VM status: paused\\r\\n\"}\n");
    // A word that looks like an option of ours, and a complaint from a known command.
    lab.qqmgr("monitor a nonsense --force").run().expect(
        1,
        "",
        "error: VM `a`: QEMU's monitor has no command `nonsense --force`\n\
         hint: `qqmgr monitor a help` lists them\n",
    );
    let answer = lab.qqmgr("monitor a --json info nonsense").run().code(1).json();
    assert_eq!(answer["error"]["code"], "monitor_command_unknown");
    let complaint = "Error: Device 'unknown command: ' not found\n";
    lab.qqmgr("monitor a 'eject \"unknown command: \"'").run().ok(complaint);
    lab.qqmgr("monitor a --force info status").run().code(2);
    lab.qqmgr("stop a --force").run().code(0);
    for line in ["monitor a info status", "monitor a"] {
        lab.qqmgr(line).run().code(4).stdout("");
    }
}

#[test]
fn an_answer_is_harmless_on_a_terminal_and_exact_in_json() {
    let name = "\"-name\", \"a\\u001b[2Jb\"";
    let lab = Lab::new(&vm("a", NO_GUEST).replace("cmd = [", &format!("cmd = [[{name}], ")));
    lab.qqmgr("start a").run().code(0);
    let json = lab.qqmgr("monitor a --json info name").run().code(0).json();
    assert_eq!(json["output"], "a\x1b[2Jb\r\n");
    let mut terminal = lab.qqmgr("monitor a info name").env("TERM", "xterm").at_terminal();
    terminal.shows("ab\r\n");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn a_session_beside_commands() {
    let lab = Lab::running();
    let mut session = lab.qqmgr("monitor a").at_terminal();
    session.shows("attached to the monitor of a; Ctrl-] detaches").shows("(qemu) ");
    session.types("info status\r").shows("VM status: running").shows("(qemu) ");
    lab.qqmgr("monitor a info status").run().ok("VM status: running\n");
    let mut second = lab.qqmgr("monitor a").at_terminal();
    second.shows("error: VM `a`: its monitor is in use by another qqmgr (pid ");
    second.shows("hint: to take it over, add --force");
    assert_eq!(second.ends(), 1);
    let mut other = lab.qqmgr("monitor a --force").at_terminal();
    assert_eq!(session.ends(), 1);
    other.shows("(qemu) ").types("quit\r").shows("a: ended");
    assert_eq!(other.ends(), 0);
}

#[test]
fn commands_on_standard_input() {
    let lab = Lab::running();
    let script = "stop\n\n  info status\r\ncont\ninfo status";
    lab.qqmgr("monitor a").stdin(script).run().ok("VM status: paused\nVM status: running\n");
    lab.qqmgr("monitor a --json")
        .stdin("stop\ninfo status\n")
        .run()
        .ok("{\"command\":\"stop\",\"output\":\"\"}\n\
         {\"command\":\"info status\",\"output\":\"VM status: paused\\r\\n\"}\n");
    lab.qqmgr("monitor a").run().ok("");
    lab.qqmgr("monitor a").stdin("nonsense\ninfo status\n").run().expect(
        1,
        "VM status: paused\n",
        "error: VM `a`: QEMU's monitor has no command `nonsense`\n\
         hint: `qqmgr monitor a help` lists them\n",
    );
    for option in ["--until x", "--idle 1s", "--force"] {
        lab.qqmgr(&format!("monitor a {option}")).stdin("quit\n").run().expect(
            2,
            "",
            "error: --force, --until and --idle need a session on a terminal\n",
        );
    }
    lab.qqmgr("monitor a").stdin("quit\ninfo status\n").run().expect(
        4,
        "",
        "error: VM `a` is not running\nhint: start it: qqmgr start a\n",
    );
}

#[test]
fn a_qmp_socket_in_use_is_told_in_time() {
    let lab = Lab::running();
    let _other = UnixStream::connect(lab.vm_file("a", "qmp.socket")).unwrap();
    let answer = lab.qqmgr("monitor a --json info status").run().code(5).json();
    assert_eq!(answer["error"]["code"], "qmp_held");
}
