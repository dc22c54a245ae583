//! Runs processes and takes their time and memory.

use super::{Result, interrupt};
use nix::libc;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What one run took.
#[derive(Clone, Copy)]
pub struct Run {
    /// From before its fork to its end.
    pub wall: Duration,
    /// The most memory that was resident, in bytes.
    ///
    /// The kernel counts from fork(2), so that it is never less than what this program has.
    pub peak: u64,
}

/// Runs `command` to its end, which must be a good one.
pub fn run(command: Command) -> Result<Run> {
    spawn(command)?.end()
}

/// A process that runs.
pub struct Spawned {
    command: Command,
    child: Child,
    started: Instant,
}

/// Starts `command`.
pub fn spawn(mut command: Command) -> Result<Spawned> {
    // Ctrl-C is for us: what is being measured comes to its own end, and we clean up after it.
    command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    let started = Instant::now();
    let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    Ok(Spawned { command, child, started })
}

impl Spawned {
    /// Its process id, which is its own until [`Spawned::end`].
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, which must be a good one.
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

/// Waits for a child; std's way to do so tells nothing of its memory.
fn wait(pid: u32) -> io::Result<(ExitStatus, u64)> {
    let mut status = 0;
    // SAFETY: `rusage` is made of integers, of which zeroes are valid ones.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that outlive the call.
    let waited = unsafe { libc::wait4(pid.cast_signed(), &raw mut status, 0, &raw mut usage) };
    if waited == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((ExitStatus::from_raw(status), usage.ru_maxrss.unsigned_abs() * 1024))
}

/// Runs that were made in turns: one of ours, one of the bare tool's, and so on.
pub struct Pairs {
    ours: Vec<f64>,
    bare: Vec<f64>,
}

impl Pairs {
    /// Takes `runs` pairs; the first of all, which finds the caches cold, counts for nothing.
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

    /// The seconds that ours took.
    pub fn ours(&self) -> Spread {
        Spread::of(self.ours.clone())
    }

    /// The seconds that the bare tool took.
    pub fn bare(&self) -> Spread {
        Spread::of(self.bare.clone())
    }

    /// How many seconds longer ours took, pair by pair.
    pub fn added(&self) -> Spread {
        Spread::of(self.ours.iter().zip(&self.bare).map(|(ours, bare)| ours - bare).collect())
    }

    /// How many times as long ours took, pair by pair.
    pub fn ratio(&self) -> Spread {
        Spread::of(self.ours.iter().zip(&self.bare).map(|(ours, bare)| ours / bare).collect())
    }
}

/// Where a number of values lie.
pub struct Spread {
    /// The least of them.
    pub min: f64,
    /// The one in the middle.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of one value at least.
    pub fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        let median = f64::midpoint(at(low), at(high));
        Spread { min: at(0), median, max: at(values.len().saturating_sub(1)) }
    }
}
