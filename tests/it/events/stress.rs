//! `events` under stress: many listeners that come and go, and more events than they can read.

use super::{Listener, Qmp};
use crate::harness::{Lab, fake_qemu};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_hundred_thousand_events_and_three_slow_readers() {
    let lab = Lab::new(&fake_qemu("a", "storm=100000"));
    lab.qqmgr("start a").run().code(0);
    let line = "exec \"$0\" events a --json --filter X_STORM --count 100000 |
                { sleep 0.2; wc -l; } >$1";
    let readers: Vec<_> = (0..3)
        .map(|i| {
            let args = ["-c", line, env!("CARGO_BIN_EXE_qqmgr"), &format!("out{i}")];
            lab.program("sh").args(args).spawn()
        })
        .collect();
    let follows = || {
        let mut listening = lab.processes();
        listening.retain(|process| process.args.iter().any(|arg| arg == "events"));
        listening.retain(|process| super::watches(process.pid));
        (listening.len() == 3).then_some(())
    };
    crate::harness::until("all follow", follows);
    Qmp::open(&lab).run(&["x-storm"]);
    for (i, mut reader) in readers.into_iter().enumerate() {
        crate::harness::until("it has read all", || reader.try_wait().unwrap());
        assert_eq!(lab.read(format!("out{i}")).trim(), "100000");
    }
    lab.qqmgr("stop a").run().code(0);
}

/// Prints the slowest `status`, for measurements.
#[test]
fn a_hundred_listeners_leave_status_alone() {
    let lab = Lab::running();
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
        // The generator from Numerical Recipes: any disorder will do.
        let mut random: usize = 1;
        for i in 0..100 {
            listeners.push(Listener::start(&lab, &format!("out{i}"), ""));
            random = (random * 1_664_525 + 1_013_904_223) % (1 << 32);
            if random >> 31 == 1 {
                listeners.swap_remove((random >> 8) % listeners.len()).kill();
            }
        }
        if let Some(last) = listeners.last() {
            last.follows();
            Qmp::open(&lab).run(&["stop"]);
            last.hears("STOP");
        }
        listeners.into_iter().for_each(Listener::kill);
        done.store(true, Ordering::Relaxed);
        let (count, slowest) = loop_of_statuses.join().unwrap();
        println!("{count} statuses, the slowest took {slowest:?}");
    });
    lab.qqmgr("kill a").run().code(0);
    lab.nobody_is_left();
    assert!(fs::read_dir(lab.vm_file("a", "")).unwrap().flatten().count() > 0);
}
