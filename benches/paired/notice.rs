//! Measures how soon `wait` notices its condition: a line of the serial port, or an event.
//!
//! The bench itself appends to the log, as QEMU does, so it knows the exact time of the bytes.
//! inotify(7) reports any writer in the same way. The guest is paused meanwhile.

use super::Result;
use super::measure::{Spread, spawn};
use super::scratch::Scratch;
use super::table::{Measured, Row};
use std::io::Write;
use std::time::{Duration, Instant};

/// A process that has watched and slept for this long has nothing else to do.
const SETTLED: Duration = Duration::from_millis(20);

/// A line of the serial port.
pub fn serial(scratch: &Scratch, runs: u32) -> Result<Row> {
    let line = |index| (format!("serial:^mark {index}$"), format!("mark {index}\n"));
    let what = "bytes to the end of wait --for serial:";
    Ok(Row { what, measured: notice(scratch, runs, "serial", line)?, target: 2.0 })
}

/// An event of QEMU.
pub fn event(scratch: &Scratch, runs: u32) -> Result<Row> {
    let event = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RTC_CHANGE"}"#;
    let line = |_| ("event:RTC_CHANGE".to_owned(), format!("{event}\r\n"));
    let what = "event to the end of wait --for event:";
    Ok(Row { what, measured: notice(scratch, runs, "events.out", line)?, target: 2.0 })
}

/// The time from the bytes in a log to the end of `wait`; `line` returns the condition and bytes of
/// a run.
fn notice(
    scratch: &Scratch,
    runs: u32,
    log: &str,
    line: impl Fn(u32) -> (String, String),
) -> Result<Measured> {
    let site = scratch.few();
    let _running = site.start("tiny", &["--", "-S"])?;
    let mut log = std::fs::File::options().append(true).open(site.file("tiny", log))?;
    let mut seconds = Vec::new();
    for index in 0..runs {
        let (condition, bytes) = line(index);
        // Without `--json`, it would print each time that the guest is paused.
        let waiting = spawn(site.qqmgr(&["--json", "wait", "tiny", "--for", &condition]))?;
        let mut last_busy = Instant::now();
        while last_busy.elapsed() < SETTLED {
            if !is_watching(waiting.pid())? {
                last_busy = Instant::now();
            }
            std::thread::yield_now();
        }
        let written = Instant::now();
        log.write_all(bytes.as_bytes())?;
        waiting.end()?;
        seconds.push(written.elapsed().as_secs_f64());
    }
    Ok(Measured::Time(Spread::of(seconds)))
}

/// Whether a process watches a file and sleeps (proc(5)), or is a zombie, which never will.
fn is_watching(pid: u32) -> Result<bool> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    if state == Some('Z') {
        return Ok(true);
    }
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        // A descriptor can be closed between the listing and the read.
        let info = std::fs::read_to_string(entry?.path()).unwrap_or_default();
        if info.lines().any(|line| line.starts_with("inotify ")) {
            return Ok(state == Some('S'));
        }
    }
    Ok(false)
}
