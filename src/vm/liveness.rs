//! Whether a VM is running, and what is needed to talk to it.

use super::dir::VmDir;
use super::ended::Ended;
use super::error::VmError;
use super::orphan::orphan;
use crate::Error;
use crate::config::Instance;
use crate::sys::process::Process;
use std::path::PathBuf;

/// Whether a VM is running.
#[derive(Debug)]
pub enum Liveness {
    /// It has no process.
    Stopped,
    /// It has a process, and files to reach it by.
    Running(Running),
    /// It has a process, but its directory was removed.
    Orphaned(Process),
    /// It runs in another container or pid namespace, where qqmgr can't reach it.
    Elsewhere,
    /// A VM with this name, started by another config file, runs in its directory.
    Foreign {
        /// QEMU's process.
        pid: u32,
        /// The other file.
        config: PathBuf,
    },
}

/// A running VM: its process and its directory.
#[derive(Debug)]
pub struct Running {
    /// The VM's name.
    pub name: String,
    /// Its directory.
    pub dir: VmDir,
    /// Its process.
    pub process: Process,
}

impl Liveness {
    /// The liveness of a VM now.
    ///
    /// # Errors
    /// Its directory can't be used.
    pub fn of(instance: &Instance) -> Result<Liveness, Error> {
        if let Some(dir) = VmDir::open(instance)? {
            match dir.process() {
                Ok(Some(process)) => {
                    let name = instance.name.clone();
                    return Ok(Liveness::Running(Running { name, dir, process }));
                }
                Ok(None) => {}
                Err(error) => match error.get() {
                    Some(VmError::Elsewhere { .. }) => return Ok(Liveness::Elsewhere),
                    Some(VmError::Foreign { pid, config, .. }) => {
                        return Ok(Liveness::Foreign { pid: *pid, config: config.clone() });
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(orphan(instance).map_or(Liveness::Stopped, Liveness::Orphaned))
    }
}

/// Finds a VM that may be running.
///
/// # Errors
/// It runs but can't be reached, another config file started it, or its directory can't be used.
pub fn find_running(instance: &Instance) -> Result<Option<Running>, Error> {
    let vm = instance.name.clone();
    match Liveness::of(instance)? {
        Liveness::Stopped => Ok(None),
        Liveness::Running(running) => Ok(Some(running)),
        Liveness::Orphaned(process) => Err(VmError::Orphaned { vm, pid: process.pid() }.into()),
        Liveness::Elsewhere => Err(VmError::Elsewhere { vm }.into()),
        Liveness::Foreign { pid, config } => Err(VmError::Foreign { vm, pid, config }.into()),
    }
}

/// A VM that the caller needs running.
///
/// # Errors
/// It is not running, or as [`find_running`].
pub fn running(instance: &Instance) -> Result<Running, Error> {
    find_running(instance)?.ok_or_else(|| not_running(instance))
}

/// The error for a VM that should be running, with how it ended.
pub fn not_running(instance: &Instance) -> Error {
    Error::from(VmError::NotRunning { vm: instance.name.clone(), ended: ended(instance) })
}

/// The error for a VM that ended while it was needed.
pub fn died(instance: &Instance) -> Error {
    Error::from(VmError::Died { vm: instance.name.clone(), ended: ended(instance) })
}

/// How a VM without a process ended, if it was ever started.
pub fn ended(instance: &Instance) -> Option<Box<Ended>> {
    let dir = VmDir::open(instance).ok().flatten();
    dir.as_ref().and_then(Ended::read).map(Box::new)
}
