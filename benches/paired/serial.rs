//! How soon `wait --for serial:` notices what it waits for.
//!
//! The bench itself appends to the log, as QEMU does: so the moment of the bytes is known exactly,
//! and inotify(7) tells of any writer alike. The guest's processor stands still meanwhile.

use super::Result;
use super::measure::{Spread, spawn};
use super::scratch::Scratch;
use super::table::{Measured, Row};
use std::io::Write;
use std::time::{Duration, Instant};

/// What has watched and slept for this long has nothing else to do any more.
const SETTLED: Duration = Duration::from_millis(20);

/// From the bytes to the end of `wait`.
pub fn wait(scratch: &Scratch, runs: u32) -> Result<Row> {
    let site = scratch.few();
    let _running = site.start("tiny", &["--", "-S"])?;
    let mut log = std::fs::File::options().append(true).open(site.file("tiny", "serial"))?;
    let mut seconds = Vec::new();
    for index in 0..runs {
        let condition = format!("serial:^mark {index}$");
        // As text it would say each time that the guest stands still.
        let waiting = spawn(site.qqmgr(&["--json", "wait", "tiny", "--for", &condition]))?;
        let mut last_busy = Instant::now();
        while last_busy.elapsed() < SETTLED {
            if !is_watching(waiting.pid())? {
                last_busy = Instant::now();
            }
            std::thread::yield_now();
        }
        let written = Instant::now();
        writeln!(log, "mark {index}")?;
        waiting.end()?;
        seconds.push(written.elapsed().as_secs_f64());
    }
    let measured = Measured::Time(Spread::of(seconds));
    Ok(Row { what: "bytes to the end of wait --for serial:", measured, target: 20.0 })
}

/// Whether a process watches a file and sleeps (proc(5)), or is a zombie and will do neither.
fn is_watching(pid: u32) -> Result<bool> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    if state == Some('Z') {
        return Ok(true);
    }
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        // A descriptor can be closed between the two.
        let info = std::fs::read_to_string(entry?.path()).unwrap_or_default();
        if info.lines().any(|line| line.starts_with("inotify ")) {
            return Ok(state == Some('S'));
        }
    }
    Ok(false)
}
