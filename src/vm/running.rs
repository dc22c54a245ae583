//! A VM that runs: what every command needs that talks to one.

use super::dir::VmDir;
use super::ended::Ended;
use super::orphan::orphan;
use crate::Error;
use crate::config::Instance;
use crate::sys::process::Process;

/// A VM's living process with its directory, to talk to.
#[derive(Debug)]
pub struct Running {
    /// The VM's name.
    pub name: String,
    /// Its directory.
    pub dir: VmDir,
    /// Its process.
    pub process: Process,
}

impl Running {
    /// A VM, if it runs.
    ///
    /// # Errors
    /// Its directory can't be used.
    pub fn find(instance: &Instance) -> Result<Option<Running>, Error> {
        let Some(dir) = VmDir::open(instance)? else {
            return Ok(None);
        };
        let process = dir.process()?;
        Ok(process.map(|process| Running { name: instance.name.clone(), dir, process }))
    }
}

/// A VM that has to be running.
///
/// # Errors
/// It is not, its directory was removed, or that can't be used.
pub fn running(instance: &Instance) -> Result<Running, Error> {
    if let Some(running) = Running::find(instance)? {
        return Ok(running);
    }
    let vm = instance.name.clone();
    Err(match orphan(instance) {
        Some(process) => Error::Orphaned { vm, pid: process.pid() },
        None => not_running(instance),
    })
}

/// The error for a VM that has to be running, with how it has ended.
pub fn not_running(instance: &Instance) -> Error {
    let dir = VmDir::open(instance).ok().flatten();
    let ended = dir.as_ref().and_then(Ended::read).map(Box::new);
    Error::NotRunning { vm: instance.name.clone(), ended }
}

/// The error for a VM that has ended while it was needed.
pub fn died(instance: &Instance) -> Error {
    let dir = VmDir::open(instance).ok().flatten();
    let ended = dir.as_ref().and_then(Ended::read).map(Box::new);
    Error::Died { vm: instance.name.clone(), ended }
}
