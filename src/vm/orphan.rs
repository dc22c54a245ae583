//! Finds VMs whose runtime directory was removed while they ran, for example by `git clean -fdx`:
//! no file describes them any more, but QEMU's command line still names its pidfile.

use super::files;
use crate::config::Instance;
use crate::sys::process::{self, Identity, Process};
use crate::sys::shared::Shared;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// The user's processes that have lost their pidfiles, by the pidfile's path.
type ByPidfile = HashMap<String, Identity>;

/// How long a scan of all processes stays valid: a command may ask for a thousand VMs.
const FRESH: Duration = Duration::from_secs(1);

/// The last scan.
static SEEN: Shared<Option<(Instant, ByPidfile)>> = Shared::new(None);

/// The process of a VM whose files are gone.
pub fn orphan(instance: &Instance) -> Option<Process> {
    let has_record = || instance.dir.join(files::LAUNCH).exists();
    let process =
        look(&instance.dir.join(files::PID).to_string_lossy(), has_record)?.open().ok()??;
    // A start writes the record before the process exists: a VM with a record by now is no orphan.
    (!has_record()).then_some(process)
}

/// The process with this pidfile; no new scan is made when `needless`.
fn look(pidfile: &str, needless: impl Fn() -> bool) -> Option<Identity> {
    let mut seen = SEEN.lock();
    match seen.as_ref() {
        Some((at, processes)) if at.elapsed() < FRESH => processes.get(pidfile).copied(),
        _ if needless() => None,
        _ => seen.insert((Instant::now(), processes())).1.get(pidfile).copied(),
    }
}

fn processes() -> ByPidfile {
    let user = rustix::process::geteuid().as_raw();
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let ours = namespace("self");
    let mut found = ByPidfile::new();
    for pid in process::pids() {
        if fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == user)
            && let Some(pidfile) = pidfile(&process::command_line(pid))
            // The words also occur in strace's or a shell's arguments; only QEMU has the file.
            && has_locked(pid, &pidfile)
            // In a container the same path is another file.
            && namespace(&pid.to_string()) == ours
            && let Some(process) = Identity::of(pid)
        {
            found.insert(pidfile, process);
        }
    }
    found
}

/// Whether a process has the removed pidfile open and locked (proc_pid_fdinfo(5)).
fn has_locked(pid: u32, pidfile: &str) -> bool {
    let removed = format!("{pidfile} (deleted)");
    let mut open = process::descriptors(pid).filter(|fd| {
        fs::read_link(fd.path()).is_ok_and(|file| file.as_os_str() == removed.as_str())
    });
    open.any(|fd| {
        let info = format!("/proc/{pid}/fdinfo/{}", fd.file_name().display());
        let info = fs::read_to_string(info).unwrap_or_default();
        info.lines().any(|line| line.starts_with("lock:") && line.contains("POSIX"))
    })
}

fn pidfile(argv: &[String]) -> Option<String> {
    let at = argv.iter().position(|arg| arg == "-pidfile")?;
    argv.get(at + 1).cloned()
}
