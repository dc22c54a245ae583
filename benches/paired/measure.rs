//! Runs processes and measures their time and memory.

use super::{Result, interrupt};
use nix::libc;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The time and memory of one run.
#[derive(Clone, Copy)]
pub struct Run {
    /// The time from before its fork to its end.
    pub wall: Duration,
    /// The most memory that was resident, in bytes.
    ///
    /// The kernel counts from fork(2), so it is never less than the memory of this program.
    pub peak: u64,
}

/// Runs `command` to its end; fails if the command fails.
pub fn run(command: Command) -> Result<Run> {
    spawn(command)?.end()
}

/// A running process.
pub struct Spawned {
    command: Command,
    child: Child,
    started: Instant,
}

/// Starts `command`.
pub fn spawn(mut command: Command) -> Result<Spawned> {
    // Only the bench gets Ctrl-C: the measured process ends normally, and the bench cleans up.
    command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    let started = Instant::now();
    let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    Ok(Spawned { command, child, started })
}

impl Spawned {
    /// Its process id, which is not reused until [`Spawned::end`].
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; fails if the process fails.
    pub fn end(self) -> Result<Run> {
        let (status, peak) = wait(self.child.id())?;
        let wall = self.started.elapsed();
        interrupt::check()?;
        match status.success() {
            true => Ok(Run { wall, peak }),
            false => Err(format!("{:?}: {status}", self.command).into()),
        }
    }
}

/// Waits for a child and returns its peak memory, which std does not report.
fn wait(pid: u32) -> io::Result<(ExitStatus, u64)> {
    let mut status = 0;
    // SAFETY: `rusage` consists of integers, for which zero is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that outlive the call.
    let waited = unsafe { libc::wait4(pid.cast_signed(), &raw mut status, 0, &raw mut usage) };
    if waited == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((ExitStatus::from_raw(status), usage.ru_maxrss.unsigned_abs() * 1024))
}

/// Runs that took turns: one of qqmgr, one of the bare tool, and so on.
pub struct Pairs {
    ours: Vec<f64>,
    bare: Vec<f64>,
}

impl Pairs {
    /// Measures `runs` pairs; an additional first one, with cold caches, does not count.
    pub fn take(
        runs: u32,
        mut ours: impl FnMut() -> Result<Run>,
        mut bare: impl FnMut() -> Result<Run>,
    ) -> Result<Pairs> {
        let mut pairs = Pairs { ours: Vec::new(), bare: Vec::new() };
        for index in 0..=runs {
            let (ours, bare) = (ours()?.wall.as_secs_f64(), bare()?.wall.as_secs_f64());
            if index > 0 {
                pairs.ours.push(ours);
                pairs.bare.push(bare);
            }
        }
        Ok(pairs)
    }

    /// The seconds of qqmgr.
    pub fn ours(&self) -> Spread {
        Spread::of(self.ours.clone())
    }

    /// The seconds of the bare tool.
    pub fn bare(&self) -> Spread {
        Spread::of(self.bare.clone())
    }

    /// How many seconds longer qqmgr took, pair by pair.
    pub fn added(&self) -> Spread {
        Spread::of(self.ours.iter().zip(&self.bare).map(|(ours, bare)| ours - bare).collect())
    }

    /// How many times as long qqmgr took, pair by pair.
    pub fn ratio(&self) -> Spread {
        Spread::of(self.ours.iter().zip(&self.bare).map(|(ours, bare)| ours / bare).collect())
    }
}

/// The spread of several values.
pub struct Spread {
    /// The smallest value.
    pub min: f64,
    /// The median.
    pub median: f64,
    /// The largest value.
    pub max: f64,
}

impl Spread {
    /// The spread of at least one value.
    pub fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        let median = f64::midpoint(at(low), at(high));
        Spread { min: at(0), median, max: at(values.len().saturating_sub(1)) }
    }
}
