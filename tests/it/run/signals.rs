//! Signals end a run, and leave nothing of it.

use super::{busy, gone, instances};
use crate::harness::{Lab, guest_vm, until};
use rustix::process::Signal;
use std::process::Child;
use std::time::Duration;

#[test]
fn signals_end_it_and_leave_nothing() {
    let lab = Lab::new(&guest_vm("a"));
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        // The command has begun, or QEMU was just started, or is about to be started.
        let mut run = if code == 143 { busy(&lab) } else { lab.qqmgr("run a -- true").in_pipe() };
        until("there is an instance", || instances(&lab).pop());
        run.signal(signal);
        assert_eq!(run.ends(), code);
        // The run has waited for its VM: it is already gone.
        lab.nobody_is_left();
        assert!(instances(&lab).is_empty());
    }
    // SIGKILL while every process of a run exists: QEMU, its keeper, and ssh's connections.
    let run = busy(&lab);
    assert!(lab.processes().len() > 3, "{:?}", lab.processes());
    run.signal(Signal::KILL);
    gone(&lab);
}

#[test]
fn a_shell_whose_run_ends_under_it_leaves_the_terminal_as_it_was() {
    let lab = Lab::new(&guest_vm("a"));
    for (line, code) in [("\n", 143), ("echo c >/proc/sysrq-trigger\n", 125)] {
        let mut terminal = lab.qqmgr("run a").at_terminal();
        terminal.shows("# ");
        assert!(terminal.is_raw());
        terminal.types(line);
        if code == 143 {
            terminal.signal(Signal::TERM);
        }
        assert_eq!(terminal.ends(), code);
        assert!(!terminal.is_raw(), "{code}");
        gone(&lab);
    }
}

#[test]
fn what_a_signal_ends_is_not_kept() {
    let lab = Lab::new(&guest_vm("a"));
    let line = "run a --keep-on-failure -- 'echo begun; exec sleep 1000'";
    // Ctrl-C also ends ssh.
    for (key, code) in [(None, 143), (Some("\x03"), 130)] {
        let mut run = lab.qqmgr(line).at_terminal();
        run.shows("begun");
        match key {
            Some(key) => drop(run.types(key)),
            None => run.signal(Signal::TERM),
        }
        assert_eq!(run.ends(), code);
        assert!(!run.text().contains("kept"), "{}", run.text());
        let said = if code == 130 { "interrupted" } else { "terminated" };
        run.shows(&format!("{said}; its VM is gone\r\n"));
        gone(&lab);
    }
}

#[test]
fn a_signal_that_was_ignored_stays_so() {
    let lab = Lab::new(&guest_vm("a"));
    let line = r#"trap '' HUP INT; exec "$0" run a -- 'echo begun; sleep 1; echo done'"#;
    let shell = lab.program("sh").args(["-c", line, env!("CARGO_BIN_EXE_qqmgr")]);
    let mut run = shell.in_pipe();
    run.shows("begun\n");
    run.signal(Signal::HUP);
    run.signal(Signal::INT);
    run.shows("done\n");
    assert_eq!(run.ends(), 0);
    gone(&lab);
}

/// The rounds of a stress test, and how many run at once.
const ROUNDS: u64 = 15;
const AT_ONCE: u64 = 5;

/// The longest time until a run is killed, in milliseconds.
const LONGEST: u64 = 4000;

#[test]
fn killed_at_any_moment_it_leaves_nothing() {
    let lab = Lab::new(&guest_vm("a"));
    let rounds = std::env::var("QQMGR_KILLS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    // Delays that cover the span evenly, unordered.
    let delays: Vec<u64> = (0..rounds).map(|round| round * 1597 % LONGEST).collect();
    for delays in delays.chunks(AT_ONCE as usize) {
        std::thread::scope(|scope| {
            for &delay in delays {
                let run = lab.qqmgr("run a -- 'cat; exec sleep 1000'").spawn();
                scope.spawn(move || kill_after(run, delay));
            }
        });
        gone(&lab);
    }
}

fn kill_after(mut run: Child, milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
    run.kill().unwrap();
    run.wait().unwrap();
}
