//! The relay that listeners share: when it comes and goes, and what it never does.

use super::{Listener, Qmp, assert_nothing_left, relay, relays, running};
use crate::harness::{Alive, until};
use rustix::process::Signal;
use std::fs;
use std::path::Path;

#[test]
fn a_listener_is_in_nobodys_way() {
    let lab = running();
    let listener = Listener::start(&lab, "out", "");
    let mut qmp = Qmp::open(&lab);
    listener.hears(&mut qmp);
    drop(qmp);
    assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "running");
    let mut own = Qmp::open(&lab);
    own.run(&["stop"]);
    until("STOP is heard", || listener.names().contains(&"STOP".to_owned()).then_some(()));
    own.run(&["cont"]);
    drop(own);
    lab.qqmgr("stop a --force").run().code(0);
    assert_eq!(listener.end(), 0);
    assert_nothing_left(&lab);
}

#[test]
fn the_relay_leaves_with_the_last_listener() {
    let lab = running();
    let listener = Listener::start(&lab, "out", "");
    listener.hears(&mut Qmp::open(&lab));
    let relay = relay(&lab).unwrap();
    assert_ne!(relay.pid(), listener.child.id());
    let cwd = fs::read_link(format!("/proc/{}/cwd", relay.pid())).unwrap();
    assert_eq!(cwd, Path::new("/"));
    listener.kill();
    assert_nothing_left(&lab);
    assert_eq!(lab.qqmgr("status a --json").run().code(0).json()["state"], "running");
}

/// `run` waits for the end of the output, the descriptor of the shell's own included.
#[test]
fn the_relay_holds_nobodys_pipe() {
    let lab = running();
    let line = "exec 3>&1 4>&2; exec \"$0\" events a --filter STOP";
    let other = std::thread::scope(|scope| {
        let first = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]);
        let first = scope.spawn(|| first.run());
        until("it has started the relay", || relay(&lab));
        let other = Listener::start(&lab, "out", "");
        other.hears(&mut Qmp::open(&lab));
        let listens = |alive: &Alive| alive.args.iter().any(|arg| arg == "STOP");
        lab.processes().iter().filter(|alive| listens(alive)).for_each(|a| a.signal(Signal::TERM));
        first.join().unwrap().expect(143, "", "");
        other
    });
    // The relay that it has started goes on: it was not its end that ended the output.
    let relay = relay(&lab).expect("the other one's relay");
    let opened = fs::read_dir(format!("/proc/{}/fd", relay.pid())).unwrap().flatten();
    let targets: Vec<_> = opened.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
    assert!(targets.iter().all(|to| !to.to_string_lossy().starts_with("pipe:")), "{targets:?}");
    other.kill();
}

#[test]
fn a_killed_relay_is_replaced_and_the_gap_told() {
    let lab = running();
    let listeners: Vec<_> = (0..3).map(|i| Listener::start(&lab, &format!("out{i}"), "")).collect();
    let mut qmp = Qmp::open(&lab);
    for listener in &listeners {
        listener.hears(&mut qmp);
    }
    relay(&lab).unwrap().signal(Signal::KILL).unwrap();
    for listener in &listeners {
        until("it hears again", || {
            qmp.run(&["stop", "cont"]);
            listener.names().contains(&"RESUME".to_owned()).then_some(())
        });
        let gap = listener.events().into_iter().find_map(|line| line.get("error").cloned());
        let gap = gap.expect("the gap is told");
        assert_eq!(gap["code"], "events_lost");
        assert_eq!(
            gap["message"],
            "VM `a`: events may have been missed here: the relay was killed"
        );
    }
    assert_eq!(relays(&lab), 1);
    lab.qqmgr("stop a --force").run().code(0);
    assert!(listeners.into_iter().all(|listener| listener.end() == 0));
    assert_nothing_left(&lab);
}

#[test]
fn a_stale_socket_is_replaced() {
    let lab = running();
    let first = Listener::start(&lab, "first", "");
    let mut qmp = Qmp::open(&lab);
    first.hears(&mut qmp);
    let killed = relay(&lab).unwrap();
    // It must not leave by itself before.
    killed.signal(Signal::STOP).unwrap();
    first.kill();
    killed.signal(Signal::KILL).unwrap();
    until("it is gone", || killed.has_ended().then_some(()));
    assert!(lab.vm_file("a", "relay.socket").exists());
    let second = Listener::start(&lab, "second", "");
    second.hears(&mut qmp);
    assert_eq!(relays(&lab), 1);
    second.kill();
}

#[test]
fn a_relay_that_comes_late_to_its_end() {
    let lab = running();
    let first = Listener::start(&lab, "first", "");
    first.hears(&mut Qmp::open(&lab));
    let late = relay(&lab).unwrap();
    late.signal(Signal::STOP).unwrap();
    lab.qqmgr("stop a --force").run().code(0);
    lab.qqmgr("start a").run().code(0);
    let second = Listener::start(&lab, "second", "");
    until("the next relay is there", || (relays(&lab) == 2).then_some(()));
    late.signal(Signal::CONT).unwrap();
    assert_eq!(first.end(), 0);
    second.hears(&mut Qmp::open(&lab));
    let third = Listener::start(&lab, "third", "");
    third.hears(&mut Qmp::open(&lab));
    assert_eq!(relays(&lab), 1);
    lab.qqmgr("stop a --force").run().code(0);
    assert_eq!([second.end(), third.end()], [0, 0]);
    assert_nothing_left(&lab);
}

#[test]
fn a_restarted_vm_has_a_relay_of_its_own() {
    let lab = running();
    let first = Listener::start(&lab, "first", "");
    first.hears(&mut Qmp::open(&lab));
    lab.qqmgr("stop a --force").run().code(0);
    lab.qqmgr("start a").run().code(0);
    let second = Listener::start(&lab, "second", "");
    second.hears(&mut Qmp::open(&lab));
    assert_eq!(first.end(), 0);
    assert_eq!(lab.read("first.err") + &lab.read("second.err"), "");
    second.kill();
}
