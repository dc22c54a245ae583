//! Processes as `/proc` shows them, whatever qqmgr says.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::path::Path;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub struct Alive {
    pub pid: u32,
    pub args: Vec<String>,
}

/// The living processes whose environment or command line contains `dir`: a test's `$HOME` is in
/// it, and an ssh master shows its socket there instead of both. A zombie has neither.
pub fn mentioning(dir: &Path) -> Vec<Alive> {
    let dir = dir.to_str().unwrap();
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let processes = pids.map(|pid| Alive { pid, args: words(pid, "cmdline") });
    let mentions = |process: &Alive| {
        [&process.args, &words(process.pid, "environ")]
            .into_iter()
            .flatten()
            .any(|w| w.contains(dir))
    };
    // A process that is being executed or is ending has no arguments either.
    processes.filter(|process| !process.args.is_empty() && mentions(process)).collect()
}

fn words(pid: u32, file: &str) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).split_terminator('\0').map(str::to_owned).collect()
}

impl Alive {
    /// Sends a signal to the process, if it is still the same one.
    pub fn signal(&self, signal: Signal) {
        let _ = self.pidfd().map(|pidfd| pidfd_send_signal(pidfd, signal));
    }

    fn pidfd(&self) -> Option<rustix::fd::OwnedFd> {
        let pid = Pid::from_raw(self.pid.try_into().unwrap())?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // The check comes after it is open: a process with this command line is the same one.
        (words(self.pid, "cmdline") == self.args).then_some(pidfd)
    }

    /// Kills the process and waits for its end.
    pub fn end(&self) {
        self.ends(|| self.signal(Signal::KILL));
    }

    /// Runs what ends the process, and waits until the kernel reports its end: its command line is
    /// gone a moment earlier.
    pub fn ends<T>(&self, action: impl FnOnce() -> T) -> T {
        let pidfd = self.pidfd();
        let done = action();
        if let Some(pidfd) = pidfd {
            let limit = Timespec { tv_sec: 180, tv_nsec: 0 };
            let _ = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit));
        }
        done
    }
}

/// Ends every process that contains `dir`, and those that they start meanwhile; returns the ones
/// that remain.
pub fn end_all(dir: &Path) -> Vec<Alive> {
    for _ in 0..20 {
        match mentioning(dir) {
            found if found.is_empty() => return found,
            found => found.iter().for_each(Alive::end),
        }
    }
    mentioning(dir)
}

/// Runs a test for all of these at the same time, since it mostly waits.
pub fn side_by_side<T: Sync>(all: &[T], test: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for one in all {
            scope.spawn(|| test(one));
        }
    });
}

/// Waits for a condition that sends no signal; for three minutes at most, since other tests use the
/// processor too.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(3);
    while Instant::now() < deadline {
        if let Some(value) = condition() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("waited for too long: {what}");
}
