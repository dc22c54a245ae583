//! What one qqmgr does to a VM at a time: the locks in its directory, and waiting for them.

use super::dir::VmDir;
use crate::Error;
use crate::config::Instance;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::os::fd::OwnedFd;
use tokio::time::Instant;

/// The right to start or stop the VM, or to another thing that one does at a time, until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: OwnedFd,
}

impl VmDir {
    /// Waits for the right to start or stop the VM.
    ///
    /// # Errors
    /// Another qqmgr has it until `deadline`, or the lock file can't be opened.
    pub async fn lock(&self, vm: &str, deadline: Instant) -> Result<Lock, Error> {
        self.lock_file("lock", vm, deadline).await
    }

    async fn lock_file(&self, name: &str, vm: &str, deadline: Instant) -> Result<Lock, Error> {
        let path = self.file(name);
        let failed = |error: rustix::io::Errno| Error::File {
            action: "lock",
            path: path.clone(),
            error: error.into(),
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(failed(error)),
        }
        let started = Instant::now();
        // A thread of its own: it sleeps in the kernel until its turn, and may be left behind.
        let (turn, waiting) = tokio::sync::oneshot::channel();
        let wait = move || {
            let result = rustix::fs::flock(&file, FlockOperation::LockExclusive);
            let _ = turn.send(result.map(|()| Lock { _file: file }));
        };
        let waiter = std::thread::Builder::new().spawn(wait);
        waiter.map_err(|error| Error::File { action: "lock", path: path.clone(), error })?;
        match tokio::time::timeout_at(deadline, waiting).await {
            Ok(Ok(result)) => result.map_err(failed),
            _ => Err(Error::Locked { vm: vm.to_owned(), waited: started.elapsed() }),
        }
    }

    /// Waits for the right to make or remove the directories of throwaway instances of the VM that
    /// this one is of: one that is half made or half removed looks as if it were left by the dead.
    ///
    /// # Errors
    /// As [`VmDir::lock`], or the directory that they are in can't be made.
    pub async fn lock_runs(instance: &Instance, deadline: Instant) -> Result<Lock, Error> {
        let runs = instance.dir.parent().unwrap_or(&instance.dir);
        let vm = VmDir::create_at(runs.parent().unwrap_or(runs))?;
        VmDir::create_at(runs)?;
        vm.lock_file("runs.lock", &instance.definition, deadline).await
    }
}
