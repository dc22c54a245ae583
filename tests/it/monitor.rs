//! `monitor`: one command, or a session.

use crate::harness::{Lab, NO_GUEST, vm};
use std::os::unix::net::UnixStream;

fn running() -> Lab {
    let lab = Lab::new(&vm("a", NO_GUEST));
    lab.qqmgr("start a").run().code(0);
    lab
}

#[test]
fn a_command_and_its_answer() {
    let lab = running();
    lab.qqmgr("monitor a info status").run().ok("VM status: running\n");
    lab.qqmgr("monitor a stop").run().ok("");
    lab.qqmgr("monitor a 'info status'").run().ok("VM status: paused\n");
    lab.qqmgr("monitor a --json info status")
        .run()
        .ok("{\"command\":\"info status\",\"output\":\"VM status: paused\\r\\n\"}\n");
    // QEMU's own complaint, and a word that looks like an option of ours.
    lab.qqmgr("monitor a nonsense --force").run().ok("unknown command: 'nonsense'\n");
    lab.qqmgr("monitor a --force info status").run().code(2);
    lab.qqmgr("stop a --force").run().code(0);
    for line in ["monitor a info status", "monitor a"] {
        lab.qqmgr(line).run().code(4).stdout("");
    }
}

#[test]
fn a_session_beside_commands() {
    let lab = running();
    let mut session = lab.qqmgr("monitor a").at_terminal();
    session.shows("a: attached to its monitor; Ctrl-] leaves").shows("(qemu) ");
    session.types("info status\r").shows("VM status: running").shows("(qemu) ");
    lab.qqmgr("monitor a info status").run().ok("VM status: running\n");
    lab.qqmgr("monitor a").run().expect(
        1,
        "",
        "error: VM `a`: its monitor is in use by another qqmgr (pid [PID])\n\
         hint: --force takes it over\n",
    );
    let mut other = lab.qqmgr("monitor a --force").at_terminal();
    assert_eq!(session.ends(), 1);
    other.shows("(qemu) ").types("quit\r").shows("a: has ended");
    assert_eq!(other.ends(), 0);
}

#[test]
fn commands_from_a_file() {
    let lab = running();
    let outcome = lab.qqmgr("monitor a").stdin("info status\ninfo name\n").run();
    assert!(outcome.code(0).text().contains("VM status: running\r\n"), "{outcome}");
}

#[test]
fn a_qmp_socket_in_use_is_told_in_time() {
    let lab = running();
    let _other = UnixStream::connect(lab.vm_file("a", "qmp.socket")).unwrap();
    let answer = lab.qqmgr("monitor a --json info status").run().code(5).json();
    assert_eq!(answer["error"]["code"], "qmp_held");
}
