//! Locks in a VM's directory, so that only one qqmgr at a time starts or stops the VM.

use super::dir::VmDir;
use super::error::VmError;
use super::files;
use crate::Error;
use crate::config::{Instance, RUNS};
use crate::error::cant;
use crate::sys::flock;
use crate::sys::process;
use std::os::fd::OwnedFd;
use tokio::time::Instant;

/// The right to start or stop the VM, or to do another exclusive thing, until dropped.
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
        self.lock_file(files::LOCK, vm, deadline).await
    }

    async fn lock_file(&self, name: &str, vm: &str, deadline: Instant) -> Result<Lock, Error> {
        let path = self.file(name);
        let failed = cant("lock", &path);
        let file = process::open_lock(&path).map_err(failed)?;
        let started = Instant::now();
        match tokio::time::timeout_at(deadline, flock::exclusive(file)).await {
            Ok(locked) => Ok(Lock { _file: locked.map_err(failed)? }),
            Err(_) => Err(VmError::Locked { vm: vm.to_owned(), waited: started.elapsed() }.into()),
        }
    }

    /// Waits for the right to make or remove directories of throwaway instances of this one's VM:
    /// an unfinished one would look as if a killed qqmgr had left it.
    ///
    /// # Errors
    /// As [`VmDir::lock`], or their parent directory can't be made.
    pub async fn lock_runs(instance: &Instance, deadline: Instant) -> Result<Lock, Error> {
        let vm = VmDir::create_at(instance.vm_dir())?;
        VmDir::create_at(&instance.vm_dir().join(RUNS))?;
        vm.lock_file(files::RUNS_LOCK, &instance.definition, deadline).await
    }
}
