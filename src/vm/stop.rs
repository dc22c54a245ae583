//! Stops a VM, even while other commands start or stop it, and removes what it leaves.

use super::dir::VmDir;
use super::ended::By;
use super::ended::Method;
use super::ending::Record;
use super::files;
use super::ladder::{From, GRACE, Ladder};
use super::liveness::Running;
use super::lock::Lock;
use super::orphan::orphan;
use crate::Error;
use crate::config::Instance;
use crate::sys::deadline;
use crate::sys::process::{self, Process};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// The result of a stop.
#[derive(Clone, Debug, Serialize)]
pub struct Stopped {
    /// The VM.
    pub name: String,
    /// The process that was ended; `None` if there was none.
    pub pid: Option<u32>,
    /// How; `None` if it was not running.
    pub method: Option<Method>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What went wrong on the way.
    pub notes: Vec<String>,
}

/// Stops a VM and returns when its process has ended. A VM that is not running is no error.
///
/// # Errors
/// The directory can't be used, or the process survives SIGKILL.
pub async fn stop(instance: &Instance, from: From, by: By) -> Result<Stopped, Error> {
    Ok(stop_and_hold(instance, from, by).await?.0)
}

/// Stops a VM as [`stop`] does, but only if this process, and not a later one, is the VM.
///
/// # Errors
/// As [`stop`].
pub async fn stop_only(
    process: &Process,
    instance: &Instance,
    from: From,
    by: By,
) -> Result<Stopped, Error> {
    Ok(descend(Some(process), instance, from, by).await?.0)
}

/// Stops a VM as [`stop`] does, and keeps the right to start it again.
///
/// # Errors
/// As [`stop`].
pub async fn stop_and_hold(
    instance: &Instance,
    from: From,
    by: By,
) -> Result<(Stopped, Option<Lock>), Error> {
    descend(None, instance, from, by).await
}

/// Stops the VM's process, whatever it is, or only this one.
async fn descend(
    only: Option<&Process>,
    instance: &Instance,
    from: From,
    by: By,
) -> Result<(Stopped, Option<Lock>), Error> {
    let started = Instant::now();
    let name = instance.name.clone();
    let nothing = Stopped { name, pid: None, method: None, seconds: 0.0, notes: Vec::new() };
    let dir = match VmDir::open(instance)? {
        Some(dir) => dir,
        None if orphan(instance).is_some() => VmDir::create(instance)?,
        None => return Ok((nothing, None)),
    };
    let patience = match from {
        From::Powerdown(timeout) => timeout,
        From::Quit | From::Sigterm | From::Sigkill => Duration::ZERO,
    };
    let lock = dir.lock(&instance.name, deadline::after(started, patience)).await;
    let found = match &lock {
        Ok(_) => dir.process()?,
        // A start may be in progress, or may have been killed and left a process.
        Err(_) => dir.settled_process().await?,
    };
    let mut notes = Vec::new();
    let (process, from) = match (found, orphan(instance)) {
        (Some(process), _) => (process, from),
        (None, Some(process)) => {
            notes.push("its runtime directory was removed, and its QMP socket with it".to_owned());
            (process, if from == From::Sigkill { from } else { From::Sigterm })
        }
        (None, None) => {
            if lock.is_ok() {
                dir.clean();
            }
            return Ok((nothing, lock.ok()));
        }
    };
    // A process that has not ended keeps its pid.
    if only.is_some_and(|only| only.pid() != process.pid() || only.has_ended()) {
        return Ok((nothing, lock.ok()));
    }
    // This fails if another stop holds it; then the cause is not recorded.
    let held = process::hold(&dir.file(files::END)).ok();
    let note = |record: Record| held.as_ref().and_then(|file| record.write(file).ok());
    note(Record::new(by));
    let vm = Running { name: instance.name.clone(), dir, process };
    let mut ladder = Ladder { instance, vm, notes };
    let method = ladder.descend(from, started).await?;
    let Ladder { vm, notes, .. } = ladder;
    note(Record { method: Some(method), ..Record::new(by) });
    let lock = clean_after(&vm.dir, &instance.name, lock).await?;
    let (pid, method) = (Some(vm.process.pid()), Some(method));
    let seconds = started.elapsed().as_secs_f64();
    Ok((Stopped { pid, method, seconds, notes, ..nothing }, lock))
}

/// Whether another process is stopping the VM.
pub fn is_stopping(dir: &VmDir) -> bool {
    Process::holding(&dir.file(files::END)).is_ok_and(|stopper| stopper.is_some())
}

/// Whether a stop ended the VM's latest life, or is ending it.
pub fn was_stopped(dir: &VmDir) -> bool {
    dir.file(files::END).exists()
}

/// Forgets an interrupted stop of a running VM: it is not what ends the VM later.
pub fn forget_broken_off(dir: &VmDir) {
    if was_stopped(dir) && !is_stopping(dir) {
        dir.remove(files::END);
    }
}

/// Removes the files of a VM that has ended by itself, unless it was started again.
///
/// # Errors
/// The directory can't be used.
pub async fn tidy(instance: &Instance) -> Result<(), Error> {
    if let Some(dir) = VmDir::open(instance)? {
        let lock = dir.lock(&instance.name, Instant::now() + GRACE).await;
        clean_after(&dir, &instance.name, lock).await?;
    }
    Ok(())
}

/// Removes the files of QEMU, unless a new start came first.
async fn clean_after(
    dir: &VmDir,
    vm: &str,
    lock: Result<Lock, Error>,
) -> Result<Option<Lock>, Error> {
    let lock = match lock {
        Ok(lock) => Some(lock),
        Err(_) => dir.lock(vm, Instant::now() + GRACE).await.ok(),
    };
    if lock.is_some() && dir.process()?.is_none() {
        dir.clean();
    }
    Ok(lock)
}
