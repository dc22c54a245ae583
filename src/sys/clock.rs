//! The time of day, which also other processes' records and the times of files refer to.

use super::descriptors;
use jiff::Timestamp;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Now, in seconds since 1970.
pub fn now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}

/// When a file was last written, since 1970.
pub fn written(path: &Path) -> Option<Duration> {
    let written = std::fs::metadata(path).and_then(|file| file.modified()).ok()?;
    written.duration_since(UNIX_EPOCH).ok()
}

/// Waits until this time, in seconds since 1970, even if the host is suspended meanwhile or its
/// clock is set.
///
/// # Errors
/// The system has no timer for us.
pub async fn reaches(time: f64) -> io::Result<()> {
    let timer = rustix::time::timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let time = Duration::try_from_secs_f64(time).map_err(io::Error::other)?;
    let it_value = time.try_into().map_err(io::Error::other)?;
    let once = Itimerspec { it_interval: never, it_value };
    rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &once)?;
    descriptors::readable(timer).await
}
