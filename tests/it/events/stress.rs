//! `events` under stress: many listeners that come and go.

use super::{Listener, Qmp, assert_nothing_left, relay, relays, running};
use crate::harness::until;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn fifty_listeners_at_once_make_one_relay() {
    let lab = running();
    let listeners: Vec<_> =
        (0..50).map(|i| Listener::start(&lab, &format!("out{i}"), "--filter RESET")).collect();
    let mut qmp = Qmp::open(&lab);
    for listener in &listeners {
        listener.hears(&mut qmp);
        assert!(relays(&lab) <= 1 && relay(&lab).is_some());
    }
    qmp.run(&["quit"]);
    assert!(listeners.into_iter().all(|listener| listener.end() == 0));
    lab.qqmgr("stop a").run().code(0);
    assert_nothing_left(&lab);
}

#[test]
fn a_relay_without_descriptors_serves_those_that_it_has() {
    let lab = running();
    let first = Listener::after("ulimit -n 20", &lab, "first", "");
    first.hears(&mut Qmp::open(&lab));
    let pid = relay(&lab).unwrap().pid();
    let more: Vec<_> = (0..20).map(|i| Listener::start(&lab, &format!("out{i}"), "")).collect();
    // Each has its place or fails for want of an answer.
    until("somebody has failed", || {
        let text = |i| fs::read_to_string(lab.path(format!("out{i}"))).unwrap_or_default();
        (0..20).any(|i| text(i).contains("\"error\"")).then_some(())
    });
    let heard = first.events().len();
    let mut qmp = Qmp::open(&lab);
    until("the first one hears", || {
        qmp.run(&["system_reset"]);
        (first.events().len() > heard).then_some(())
    });
    assert_eq!(relay(&lab).unwrap().pid(), pid);
    more.into_iter().for_each(Listener::kill);
    first.kill();
    assert_nothing_left(&lab);
}

/// The slowest `status` is printed, for those who measure.
#[test]
fn a_hundred_listeners_leave_status_alone() {
    let lab = running();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let loop_of_statuses = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                let begun = Instant::now();
                lab.qqmgr("status a").run().code(0).stderr("");
                slowest = slowest.max(begun.elapsed());
                count += 1;
            }
            (count, slowest)
        });
        let mut listeners = Vec::new();
        // Numerical Recipes' generator: any disorder will do.
        let mut random: usize = 1;
        for i in 0..100 {
            listeners.push(Listener::start(&lab, &format!("out{i}"), ""));
            random = (random * 1_664_525 + 1_013_904_223) % (1 << 32);
            if random >> 31 == 1 {
                listeners.swap_remove((random >> 8) % listeners.len()).kill();
            }
        }
        let mut listeners = listeners.into_iter();
        if let Some(last) = listeners.next_back() {
            // QMP is left to `status` in between.
            until("it hears", || {
                Qmp::open(&lab).run(&["system_reset"]);
                last.names().contains(&"RESET".to_owned()).then_some(())
            });
            last.kill();
        }
        listeners.for_each(Listener::kill);
        done.store(true, Ordering::Relaxed);
        let (count, slowest) = loop_of_statuses.join().unwrap();
        println!("{count} statuses, the slowest took {slowest:?}");
    });
    until("the relay has left", || relay(&lab).is_none().then_some(()));
    assert_nothing_left(&lab);
}
