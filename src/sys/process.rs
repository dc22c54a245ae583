//! Processes of others, by handles that can't go stale: who holds a pidfile, pidfds, `/proc`.
//!
//! A pid that exists says nothing: it may be somebody else's by now, or a zombie. QEMU holds a
//! POSIX lock on its pidfile for as long as it lives, so the lock's holder is the process.

use super::descriptors;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::process::{Flock, FlockType, Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use std::fs::DirEntry;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// A lock's holder lives in another pid namespace: it can't be seen from here, but it lives.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is locked in another container or pid namespace")]
pub struct Elsewhere;

impl Elsewhere {
    /// Whether this is why something failed.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Elsewhere>())
    }
}

/// A living process, held by its pidfd: signals reach it or nobody.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Process {
    /// The process that holds the POSIX lock on `pidfile`, if there is one.
    ///
    /// # Errors
    /// The file exists but can't be opened or asked, or the process lives [`Elsewhere`].
    pub fn holding(pidfile: &Path) -> io::Result<Option<Process>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::open(pidfile, flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        loop {
            let pid = match holder(&file)? {
                None => return Ok(None),
                Some(None) => return Err(io::Error::other(Elsewhere)),
                Some(Some(pid)) => pid,
            };
            match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
                // The pid may have changed hands between the two calls; the lock can't have.
                Ok(pidfd) if holder(&file)? == Some(Some(pid)) => {
                    return Ok(Some(Process { pid, pidfd }));
                }
                Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A child of ours that was not waited for yet, so that its pid is its own.
    ///
    /// # Errors
    /// The kernel has no pidfds (before 5.3) or we have no file descriptors left.
    pub fn of_child(child: &std::process::Child) -> io::Result<Process> {
        let pid = Pid::from_child(child);
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Process { pid, pidfd })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal; a process that is gone already is no error.
    ///
    /// # Errors
    /// The signal is not ours to send.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the process has ended: a zombie has.
    ///
    /// # Errors
    /// The pidfd can't be polled.
    pub async fn ended(&self) -> io::Result<()> {
        // A descriptor of its own, because one can be watched by one future only.
        descriptors::readable(self.pidfd.try_clone()?).await
    }

    /// Whether the process has ended by now: a zombie has.
    pub fn has_ended(&self) -> bool {
        let mut pidfd = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut pidfd, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    /// How long the process has been running, to a hundredth of a second; `None` once it's gone.
    pub fn uptime(&self) -> Option<Duration> {
        let started = start_ticks(self.pid())?;
        let hertz = rustix::param::clock_ticks_per_second().max(1);
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
        let started = Duration::from_millis(started.saturating_mul(1000) / hertz);
        Some(now.saturating_sub(started))
    }
}

/// Opens a file to be locked, which is made where it is missing.
///
/// # Errors
/// It can't be opened, or is a symlink.
pub fn open_lock(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?)
}

/// Takes the POSIX lock on a file, which is made where it is missing, in the name of this process:
/// until it is closed, [`Process::holding`] finds us.
///
/// # Errors
/// Somebody else has it, or the file can't be opened.
pub fn hold(path: &Path) -> io::Result<OwnedFd> {
    let file = open_lock(path)?;
    rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// A process that can't be taken for a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its pid.
    pub pid: u32,
    /// When it was started, in clock ticks since boot.
    pub started: u64,
}

impl Identity {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Identity> {
        start_ticks(pid).map(|started| Identity { pid, started })
    }

    /// A handle on it; `None` when it is gone.
    ///
    /// # Errors
    /// The kernel has no pidfds (before 5.3) or we have no file descriptors left.
    pub fn open(&self) -> io::Result<Option<Process>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            // Only what is looked at once it is held can't be another that got the pid since.
            Ok(pidfd) => Ok(self.lives().then_some(Process { pid, pidfd })),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it still lives.
    pub fn lives(&self) -> bool {
        Identity::of(self.pid) == Some(*self)
    }
}

/// Who has the lock on a file: the kernel gives no pid for a process of a pid namespace that is
/// not ours or below it (fcntl_locking(2), pid_namespaces(7)).
fn holder(file: &OwnedFd) -> io::Result<Option<Option<Pid>>> {
    let lock = rustix::process::fcntl_getlk(file, &Flock::from(FlockType::WriteLock))?;
    Ok(lock.map(|lock| lock.pid))
}

/// When a living process was started, in clock ticks after boot.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = procfs::process::Process::new(pid.try_into().ok()?).and_then(|it| it.stat()).ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat.starttime)
}

/// The pids of all processes.
pub fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The descriptors that a process has open, as links in `/proc`; none of a process that can't be
/// looked at.
pub fn descriptors(pid: u32) -> impl Iterator<Item = DirEntry> {
    std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten()
}

/// The command line of a process, as it was executed; empty when it can't be read.
pub fn command_line(pid: u32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlocked_pidfile_has_no_holder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "1\n").unwrap();
        assert!(Process::holding(file.path()).unwrap().is_none());
        assert!(Process::holding(Path::new("/nonexistent/pid")).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_zombie_has_ended() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of_child(&child).unwrap();
        assert_eq!(process.pid(), child.id());
        assert!(process.uptime().unwrap() < Duration::from_secs(30));
        assert!(!process.has_ended());
        process.signal(Signal::KILL).unwrap();
        process.ended().await.unwrap();
        assert!(process.has_ended());
        child.wait().unwrap();
        process.signal(Signal::KILL).unwrap();
    }
}
