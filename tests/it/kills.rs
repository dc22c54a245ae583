//! qqmgr killed at any moment: the next command is right, and the user need not clean up.

use crate::harness::{Lab, NO_GUEST, fake_qemu, until, vm};
use std::fs::File;
use std::time::{Duration, SystemTime};

const ROUNDS: u64 = 30;

/// Up to 150 ms: longer than a start takes.
const LONGEST: u64 = 150_000;

/// Runs a command and kills it after a while.
fn kill_in_the_middle(lab: &Lab, line: &str, microseconds: u64) {
    let mut child = lab.qqmgr(line).spawn();
    std::thread::sleep(Duration::from_micros(microseconds));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Delays that cover the span evenly, unordered: multiples of an odd number.
fn delays() -> impl Iterator<Item = u64> {
    (0..ROUNDS).map(|round| round * 7919 * 13 % LONGEST)
}

#[test]
fn a_start_that_is_killed() {
    for config in [vm("a", NO_GUEST), fake_qemu("a", "slow-pidfile=30,slow-socket=30")] {
        let lab = Lab::new(&config);
        for (round, delay) in delays().enumerate() {
            kill_in_the_middle(&lab, "start a", delay);
            match round % 3 {
                0 => lab.status_is_true("a"),
                1 => {
                    let answer = lab.qqmgr("start a --json").run().code(0).stderr("").json();
                    assert_eq!(answer["pid"], lab.qemus()[0]);
                    // A start that was killed early has still left QEMU its first commands.
                    lab.qqmgr("events a --timeout 0").run().ok("");
                    lab.status_is_true("a");
                }
                _ => {}
            }
            lab.qqmgr("stop a --force").run().code(0);
            assert!(lab.processes().is_empty(), "{:?}", lab.processes());
            lab.status_is_true("a");
        }
    }
}

/// QEMU killed at any moment of its start: the start reports it, and nothing of QEMU is left.
#[test]
fn a_qemu_that_is_killed() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for delay in delays() {
        let mut start = lab.qqmgr("start a").spawn();
        let qemu = until("QEMU is there", || {
            let qemus = lab.qemus();
            lab.processes().into_iter().find(|process| qemus.contains(&process.pid))
        });
        std::thread::sleep(Duration::from_micros(delay / 3));
        qemu.end();
        let code = start.wait().unwrap().code();
        let ended = lab.qqmgr("status a --json").run().code(0).json()["ended"]["by"].clone();
        assert_eq!(ended, if code == Some(0) { "qemu" } else { "start" }, "{code:?}");
        lab.qqmgr("stop a").run().ok("a: is not running\n");
        assert!(!lab.vm_file("a", "events.in").exists());
    }
}

#[test]
fn a_stop_that_is_killed() {
    for config in [vm("a", NO_GUEST), fake_qemu("a", "ignore-powerdown")] {
        let lab = Lab::new(&config);
        for (round, delay) in delays().enumerate() {
            lab.qqmgr("start a").run().code(0);
            let line = ["stop a --timeout 50ms", "stop a --force"][round % 2];
            kill_in_the_middle(&lab, line, delay);
            match round % 4 {
                0 => lab.status_is_true("a"),
                1 => {
                    lab.qqmgr("start a").run().code(0);
                    assert_eq!(lab.qemus().len(), 1);
                    lab.status_is_true("a");
                }
                2 => {
                    lab.qqmgr("stop a --timeout 50ms").run().code(0);
                    assert!(lab.processes().is_empty(), "{:?}", lab.processes());
                    lab.status_is_true("a");
                }
                _ => {}
            }
        }
        lab.qqmgr("stop a --force").run().code(0);
        assert!(lab.processes().is_empty(), "{:?}", lab.processes());
    }
}

#[test]
fn what_a_killed_writer_leaves() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    let [old, new] = ["old", "new"].map(|name| lab.write(format!(".qqmgr/vm.a/.tmp{name}"), ""));
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    File::options().write(true).open(&old).unwrap().set_modified(hour_ago).unwrap();
    lab.qqmgr("start a").run().code(0);
    // Another process may still be writing the new file.
    assert!(!old.exists() && new.exists());
}
