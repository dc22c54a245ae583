//! Handles on other processes that never go stale: the holder of a pidfile, pidfds, `/proc`.
//!
//! An existing pid proves nothing: it may be another process by now, or a zombie. QEMU locks its
//! pidfile with a POSIX lock as long as it runs, so the lock's holder is the process.

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

/// A lock's holder runs in another pid namespace: it can't be seen from here, but it runs.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is locked in another container or pid namespace")]
pub struct Elsewhere;

impl Elsewhere {
    /// Whether this is the reason for an error.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Elsewhere>())
    }
}

/// A living process and its pidfd: a signal reaches this process or none.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Process {
    /// The process that holds the POSIX lock on `pidfile`, if there is one.
    ///
    /// # Errors
    /// The file exists but can't be opened or queried, or the process runs in another pid
    /// namespace.
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
                // The pid may have been reused between the two calls; the lock can't.
                Ok(pidfd) if holder(&file)? == Some(Some(pid)) => {
                    return Ok(Some(Process { pid, pidfd }));
                }
                Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A child that nothing has waited for yet, so its pid is not reused.
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

    /// Sends a signal; a process that has already ended is no error.
    ///
    /// # Errors
    /// The user may not send this signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the process has ended; a zombie has ended.
    ///
    /// # Errors
    /// The pidfd can't be polled.
    pub async fn ended(&self) -> io::Result<()> {
        // A duplicate, because only one future can watch a descriptor.
        descriptors::readable(self.pidfd.try_clone()?).await
    }

    /// Whether the process has ended; a zombie has ended.
    pub fn has_ended(&self) -> bool {
        let mut pidfd = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut pidfd, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    /// How long the process has been running, to a hundredth of a second; `None` once it has ended.
    pub fn uptime(&self) -> Option<Duration> {
        let started = start_ticks(self.pid())?;
        let hertz = rustix::param::clock_ticks_per_second().max(1);
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
        let started = Duration::from_millis(started.saturating_mul(1000) / hertz);
        Some(now.saturating_sub(started))
    }
}

/// Opens a lock file, and creates it if it is missing.
///
/// # Errors
/// It can't be opened, or is a symlink.
pub fn open_lock(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?)
}

/// Takes the POSIX lock on a file for this process, and creates the file if it is missing. Until
/// the file is closed, [`Process::holding`] finds this process.
///
/// # Errors
/// Another process has the lock, or the file can't be opened.
pub fn hold(path: &Path) -> io::Result<OwnedFd> {
    let file = open_lock(path)?;
    rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// A process's identity, which no later process with the same pid shares.
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

    /// A handle on it; `None` if it has ended.
    ///
    /// # Errors
    /// The kernel has no pidfds (before 5.3) or we have no file descriptors left.
    pub fn open(&self) -> io::Result<Option<Process>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            // The pidfd may be another process's: the check comes after it is open.
            Ok(pidfd) => Ok(self.lives().then_some(Process { pid, pidfd })),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it is still running.
    pub fn lives(&self) -> bool {
        Identity::of(self.pid) == Some(*self)
    }
}

/// The holder of a file's lock: the kernel gives no pid for a process outside our pid namespace and
/// those below it (fcntl_locking(2), pid_namespaces(7)).
fn holder(file: &OwnedFd) -> io::Result<Option<Option<Pid>>> {
    let lock = rustix::process::fcntl_getlk(file, &Flock::from(FlockType::WriteLock))?;
    Ok(lock.map(|lock| lock.pid))
}

/// When a running process was started, in clock ticks after boot.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = procfs::process::Process::new(pid.try_into().ok()?).and_then(|it| it.stat()).ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat.starttime)
}

/// The pids of all processes.
pub fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A process's open descriptors, as links in `/proc`; empty if they can't be listed.
pub fn descriptors(pid: u32) -> impl Iterator<Item = DirEntry> {
    std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten()
}

/// The command line of a process, as executed; empty if it can't be read.
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
