//! A VM's runtime directory: its paths and its process, and checks that the user owns it.

use super::error::VmError;
use super::files::{self, OF_ONE_LIFE};
use crate::Error;
use crate::config::{DIR_PREFIX, Instance, RUNS, RUNTIME_DIR};
use crate::error::cant;
use crate::sys::private_dir;
use crate::sys::process::{Elsewhere, Process};
use crate::sys::short_socket::{self, LONGEST_PATH};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// How long another qqmgr may take from its fork until its process can be seen, or from the
/// process's end until it releases the lock.
const SETTLING: Duration = Duration::from_millis(500);

/// A launch record, of which only the config file is read.
#[derive(Deserialize)]
struct StartedBy {
    config: PathBuf,
}

/// An open runtime directory of one VM.
#[derive(Debug)]
pub struct VmDir {
    pub(super) path: PathBuf,
    fd: OwnedFd,
    /// The config file that must have started the VM's process; `None` if any may have.
    config: Option<PathBuf>,
}

impl AsFd for VmDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl VmDir {
    /// Opens the VM's directory; `None` when there is none yet.
    ///
    /// # Errors
    /// It is not a directory, or the user does not own it.
    pub fn open(instance: &Instance) -> Result<Option<VmDir>, Error> {
        let config = || Some(instance.config.clone());
        Ok(VmDir::at(&instance.dir)?.map(|dir| VmDir { config: config(), ..dir }))
    }

    /// Opens the VM's directory by its path; `None` when there is none.
    ///
    /// # Errors
    /// It is not a directory, or the user does not own it.
    pub fn at(path: &Path) -> Result<Option<VmDir>, Error> {
        Ok(private_dir::open(path)?.map(|fd| VmDir { path: path.to_owned(), fd, config: None }))
    }

    /// Opens the VM's directory, and makes it if it is missing.
    ///
    /// # Errors
    /// It can't be made, or the user does not own it.
    pub fn create(instance: &Instance) -> Result<VmDir, Error> {
        let dir = VmDir::create_at(&instance.dir)?;
        Ok(VmDir { config: Some(instance.config.clone()), ..dir })
    }

    pub(super) fn create_at(path: &Path) -> Result<VmDir, Error> {
        if let Some(parent) = path.parent() {
            let is_new = private_dir::make_all(parent)?;
            // Other parents of VMs' directories belong to the user, who keeps other things there.
            if parent.file_name().is_some_and(|name| name == RUNTIME_DIR) {
                private_dir::open(parent)?;
                if is_new {
                    // Everything works without this file; git only lists more.
                    let _ = ignore_by_git(parent);
                }
            }
        }
        private_dir::make(path)?;
        VmDir::at(path)?.ok_or_else(|| cant("open", path)(io::ErrorKind::NotFound.into()))
    }

    /// Makes the directory of a throwaway instance. The caller holds [`VmDir::lock_runs`].
    ///
    /// # Errors
    /// It exists already, or can't be made.
    pub fn create_new(instance: &Instance) -> Result<VmDir, Error> {
        private_dir::make_new(&instance.dir)?;
        VmDir::create(instance)
    }

    /// Removes the directory of a throwaway instance and everything in it. The caller holds
    /// [`VmDir::lock_runs`].
    ///
    /// # Errors
    /// Something can't be removed.
    pub fn remove_all(self) -> Result<(), Error> {
        let path = self.path;
        std::fs::remove_dir_all(&path).map_err(cant("remove", &path))
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A path to a socket in it that is short enough to connect to, also when the real one is not.
    pub fn socket(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.fd.as_raw_fd()))
    }

    /// The VM's process, if it is running.
    ///
    /// QEMU itself locks the pidfile. qqmgr locks the launch record for QEMU before it executes
    /// QEMU, and that lock lasts until the process ends. So a VM that starts or ends is always
    /// seen.
    ///
    /// # Errors
    /// A file can't be read, the process runs in another pid namespace, or another config file
    /// started it.
    pub fn process(&self) -> Result<Option<Process>, Error> {
        for name in [files::PID, files::LAUNCH] {
            let path = self.file(name);
            match Process::holding(&path) {
                Ok(Some(process)) => {
                    self.is_ours(&process)?;
                    return Ok(Some(process));
                }
                Ok(None) => continue,
                Err(error) if Elsewhere::is(&error) => {
                    return Err(VmError::Elsewhere { vm: self.vm_name() }.into());
                }
                Err(error) => return Err(cant("read", &path)(error)),
            }
        }
        Ok(None)
    }

    /// Refuses a process that another config file started: that file has the same runtime
    /// directory and a VM with the same name. A file that no longer exists may have been renamed to
    /// this one.
    fn is_ours(&self, process: &Process) -> Result<(), Error> {
        let Some(config) = &self.config else { return Ok(()) };
        let record: Option<StartedBy> = self.read_record(files::LAUNCH)?;
        match record.map(|record| record.config) {
            Some(other) if other != *config && other.is_file() => {
                Err(VmError::Foreign { vm: self.vm_name(), pid: process.pid(), config: other }
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// The name of the VM or run that owns this directory.
    fn vm_name(&self) -> String {
        let name = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.strip_prefix(DIR_PREFIX).unwrap_or(&name).to_owned()
        };
        match self.path.parent().filter(|parent| parent.ends_with(RUNS)) {
            Some(runs) => format!("{}+{}", name(runs.parent().unwrap_or(runs)), name(&self.path)),
            None => name(&self.path),
        }
    }

    /// The VM's process, for a caller without the lock: a start that has forked but not yet locked
    /// the launch record can't be seen, but it and its child have the lock.
    ///
    /// # Errors
    /// As [`VmDir::process`].
    pub async fn settled_process(&self) -> Result<Option<Process>, Error> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let deadline = Instant::now() + SETTLING;
        loop {
            let found = self.process()?;
            let file = match rustix::fs::openat(&self.fd, files::LOCK, flags, Mode::empty()) {
                Ok(file) => file,
                Err(rustix::io::Errno::NOENT) => return Ok(found),
                Err(error) => return Err(cant("open", &self.file(files::LOCK))(error.into())),
            };
            if found.is_some() || Instant::now() > deadline {
                return Ok(found);
            }
            if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
                return self.process();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Removes the files of a process that has ended; the logs stay.
    pub fn clean(&self) {
        for name in OF_ONE_LIFE {
            self.remove(name);
        }
        short_socket::remove(&self.file(files::GDB_SOCKET));
        self.remove_half_written();
    }

    /// Removes a file from it.
    pub fn remove(&self, name: &str) {
        // It may be missing already; if it can't be removed, the next start reports that.
        let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
    }

    /// Makes the sockets private: QEMU creates them with its umask.
    pub fn tighten(&self) {
        for name in OF_ONE_LIFE {
            let mode = Mode::RUSR | Mode::WUSR;
            // The directory's mode keeps others out even if this fails.
            let _ = rustix::fs::chmodat(&self.fd, name, mode, AtFlags::empty());
        }
    }
}

fn ignore_by_git(dir: &Path) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options.create_new(true).write(true).mode(0o600).open(dir.join(".gitignore"))?;
    file.write_all(b"*\n")
}

/// The path of a socket on QEMU's command line: relative to QEMU's working directory if the
/// absolute one is too long for a socket.
pub fn socket_argument(path: &Path, working_dir: &Path) -> PathBuf {
    match path.strip_prefix(working_dir) {
        Ok(relative) if path.as_os_str().len() > LONGEST_PATH => relative.to_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_socket_paths_become_relative() {
        let dir = PathBuf::from(format!("/{}", "d".repeat(120)));
        let socket = dir.join(".qqmgr/vm.a/qmp.socket");
        assert_eq!(socket_argument(&socket, &dir), Path::new(".qqmgr/vm.a/qmp.socket"));
        let short = Path::new("/x/.qqmgr/vm.a/qmp.socket");
        assert_eq!(socket_argument(short, Path::new("/x")), short);
    }
}
