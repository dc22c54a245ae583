//! Many qqmgrs on one VM: never two QEMUs, never a lost QEMU.

use crate::harness::{Lab, NO_GUEST, Outcome, fake_qemu, until, vm};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub fn at_once(lab: &Lab, lines: &[&str]) -> Vec<Outcome> {
    thread::scope(|scope| {
        let runs: Vec<_> = lines.iter().map(|line| scope.spawn(|| lab.qqmgr(line).run())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

/// Looks for two living QEMUs while `work` goes on. Two that are seen in each of two looks have
/// been alive at the same time, between the looks.
fn never_two<T>(lab: &Lab, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let first: HashSet<_> = lab.qemus().into_iter().collect();
                if first.len() > 1 {
                    let second = lab.qemus().into_iter().filter(|pid| first.contains(pid));
                    assert!(second.count() < 2, "two QEMUs of one VM: {first:?}");
                }
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        watch.join().unwrap();
        result
    })
}

#[test]
fn fifty_starts_at_once_are_one_start() {
    for config in [vm("a", NO_GUEST), fake_qemu("a", "slow-pidfile=50,slow-socket=50")] {
        let lab = Lab::new(&config);
        let outcomes = never_two(&lab, || at_once(&lab, &["start a --json"; 50]));
        let answers: Vec<_> = outcomes.iter().map(|o| o.code(0).stderr("").json()).collect();
        let pids: HashSet<_> = answers.iter().map(|answer| answer["pid"].as_u64()).collect();
        let there = lab.qemus();
        assert_eq!(pids, HashSet::from([Some(u64::from(there[0]))]), "{there:?}");
        assert_eq!(there.len(), 1);
        let fresh = answers.iter().filter(|answer| answer["already_running"] == false);
        assert_eq!(fresh.count(), 1);
        lab.status_is_true("a");
    }
}

#[test]
fn fifty_stops_at_once_are_one_stop() {
    let lab = Lab::running();
    let pid = lab.qemus()[0];
    let outcomes = at_once(&lab, &["stop a --timeout 300ms --json"; 50]);
    for outcome in &outcomes {
        let said = outcome.code(0).json()["pid"].as_u64();
        assert!(said.is_none() || said == Some(pid.into()), "{outcome}");
    }
    assert!(lab.qemus().is_empty());
    lab.status_is_true("a");
}

#[test]
fn a_dozen_statuses_at_once_wait_for_their_turn() {
    // QEMU serves one client at a time and lets one wait: all others are refused at first.
    let lab = Lab::running();
    for outcome in at_once(&lab, &["status a --json"; 12]) {
        assert_eq!(outcome.code(0).stderr("").json()["state"], "running", "{outcome}");
    }
}

#[test]
fn start_against_stop() {
    for config in [vm("a", NO_GUEST), fake_qemu("a", ""), fake_qemu("a", "ignore-powerdown")] {
        let lab = Lab::new(&config);
        let both = ["start a", "stop a --timeout 100ms", "stop a --force"].repeat(3);
        never_two(&lab, || {
            for _round in 0..6 {
                for outcome in at_once(&lab, &both) {
                    // A stop may end QEMU while it comes up, and then the start says so.
                    if outcome.code != 0 {
                        assert!(outcome.command.contains(" start "), "{outcome}");
                        outcome.expect(1, "", "error: VM `a` was stopped while it was starting\n");
                    }
                }
                lab.status_is_true("a");
            }
        });
        lab.qqmgr("stop a --force").run().code(0);
        assert!(lab.processes().is_empty());
    }
}

#[test]
fn a_start_that_is_overtaken_by_a_stop() {
    for line in ["kill a", "stop a --force"] {
        let lab = Lab::new(&fake_qemu("a", "slow-socket=60000"));
        thread::scope(|scope| {
            let start = scope.spawn(|| lab.qqmgr("start a").run());
            until("QEMU is there", || lab.vm_file("a", "pid").exists().then_some(()));
            lab.qqmgr(line).run().code(0);
            let start = start.join().unwrap();
            start.expect(1, "", "error: VM `a` was stopped while it was starting\n");
        });
        assert!(!lab.vm_file("a", "crashes").exists());
        assert!(lab.processes().is_empty(), "{:?}", lab.processes());
    }
}

#[test]
fn status_and_list_beside_a_start_and_a_stop() {
    let lab = Lab::new(&vm("a", NO_GUEST));
    for _round in 0..4 {
        for last in ["start a", "stop a --force"] {
            let lines = [last, "status a", "list", "status a", "list", "status a"];
            for outcome in at_once(&lab, &lines) {
                outcome.code(0);
                // A list waits less than a second for one VM, and says so; a busy machine may take
                // that long to bring the VM up.
                if !outcome.command.ends_with(" list") {
                    outcome.stderr("");
                }
            }
            lab.status_is_true("a");
        }
    }
}
