//! Stopping a VM: a ladder from asking the guest to SIGKILL, and which rung it took.

use super::dir::VmDir;
use super::lock::Lock;
use super::orphan::orphan;
use super::running::Running;
use crate::config::Instance;
use crate::error::no_answer;
use crate::process::{self, Process};
use crate::qmp::{self, Client};
use crate::{Error, deadline};
use rustix::process::Signal;
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// How long QMP may take to accept a command.
const QMP_PATIENCE: Duration = Duration::from_secs(2);

/// How long QEMU may take to end after each of `quit`, SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(3);

/// A guest that is still booting misses the power button: it is pressed again.
const PRESS_INTERVAL: Duration = Duration::from_secs(2);

/// What a stop makes, and locks for as long as it is underway, so that others can tell.
pub(super) const MARK: &str = "stopping";

/// The rung of the ladder to begin at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Asking the guest, which has this time to power down.
    Powerdown(Duration),
    /// QMP `quit`, cutting through whoever else is starting or stopping the VM.
    Quit,
    /// SIGTERM, likewise.
    Sigterm,
    /// SIGKILL, likewise.
    Sigkill,
}

/// How a VM was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The guest powered down when asked to (ACPI).
    Powerdown,
    /// QMP `quit`.
    Quit,
    /// SIGTERM.
    Sigterm,
    /// SIGKILL.
    Sigkill,
}

/// What came of a stop.
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

/// Stops a VM and returns when its process is gone; one that doesn't run is no error.
///
/// # Errors
/// The directory can't be used, or the process survives SIGKILL.
pub async fn stop(instance: &Instance, from: From) -> Result<Stopped, Error> {
    Ok(stop_and_hold(instance, from).await?.0)
}

/// Stops a VM as [`stop`] does, if it is still this process, and not a later one, that runs.
///
/// # Errors
/// As [`stop`].
pub async fn stop_only(
    process: &Process,
    instance: &Instance,
    from: From,
) -> Result<Stopped, Error> {
    Ok(descend(Some(process), instance, from).await?.0)
}

/// Stops a VM as [`stop`] does, and keeps the right to start it again.
///
/// # Errors
/// As [`stop`].
pub async fn stop_and_hold(
    instance: &Instance,
    from: From,
) -> Result<(Stopped, Option<Lock>), Error> {
    descend(None, instance, from).await
}

/// Goes down the ladder with whatever process is the VM's, or with this one only.
async fn descend(
    only: Option<&Process>,
    instance: &Instance,
    from: From,
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
    let mut notes = Vec::new();
    let (process, from) = match (dir.process()?, orphan(instance)) {
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
    // As long as the other has not ended, its pid is its own.
    if only.is_some_and(|only| only.pid() != process.pid() || only.has_ended()) {
        return Ok((nothing, lock.ok()));
    }
    // If that can't be, another stop has it, or nobody is told.
    let _mark = process::hold(&dir.file(MARK));
    let vm = Running { name: instance.name.clone(), dir, process };
    let mut ladder = Ladder { vm, notes };
    let method = ladder.descend(from, started).await?;
    let Ladder { vm, notes } = ladder;
    let lock = clean_after(&vm.dir, &instance.name, lock).await?;
    let (pid, method) = (Some(vm.process.pid()), Some(method));
    let seconds = started.elapsed().as_secs_f64();
    Ok((Stopped { pid, method, seconds, notes, ..nothing }, lock))
}

/// Whether another process is stopping the VM.
pub fn is_stopping(dir: &VmDir) -> bool {
    Process::holding(&dir.file(MARK)).is_ok_and(|stopper| stopper.is_some())
}

/// Whether the life of the VM that ran last was ended by a stop, or is being ended.
pub fn was_stopped(dir: &VmDir) -> bool {
    dir.file(MARK).exists()
}

/// Removes what a VM has left that has ended by itself, unless it was started again.
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

/// Removes what QEMU left, unless a start was quicker.
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

struct Ladder {
    vm: Running,
    notes: Vec<String>,
}

impl Ladder {
    async fn descend(&mut self, from: From, started: Instant) -> Result<Method, Error> {
        if let From::Powerdown(timeout) = from
            && self.power_down(deadline::after(started, timeout)).await
        {
            return Ok(Method::Powerdown);
        }
        if matches!(from, From::Powerdown(_) | From::Quit) && self.quit().await {
            return Ok(Method::Quit);
        }
        if from != From::Sigkill && self.signal(Signal::TERM).await {
            return Ok(Method::Sigterm);
        }
        if self.signal(Signal::KILL).await {
            return Ok(Method::Sigkill);
        }
        let (vm, pid) = (self.vm.name.clone(), self.vm.process.pid());
        Err(Error::Unkillable { vm, pid })
    }

    /// Presses the power button until the guest has powered down or the time is over.
    ///
    /// Between two presses QMP is left to others: QEMU serves one client at a time.
    async fn power_down(&mut self, deadline: Instant) -> bool {
        let mut pressed = false;
        loop {
            match self.press().await {
                // With `-no-shutdown` QEMU stays when the guest is done.
                Ok(Some(status)) if pressed && status.status == "shutdown" => return false,
                Ok(Some(status)) if stands_still(&status) => {
                    let state = status.status;
                    self.notes.push(format!("the guest can't power down: its state is `{state}`"));
                    return false;
                }
                Ok(_) => pressed = true,
                Err(error) if !pressed => {
                    self.notes.push(reason(error));
                    return self.vm.process.has_ended();
                }
                Err(_) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.ends_within(left.min(PRESS_INTERVAL)).await {
                return true;
            }
            if left <= PRESS_INTERVAL {
                self.notes.push("the guest did not power down in time".to_owned());
                return false;
            }
        }
    }

    /// Presses the power button, unless nobody would answer; the run state, if that can be told.
    async fn press(&self) -> Result<Option<qmp::Status>, Error> {
        let press = async |client: &mut Client| {
            let status = match client.query_status().await {
                // The button is there all the same.
                Err(qmp::Error::Command { .. }) => None,
                result => Some(result?),
            };
            if !status.as_ref().is_some_and(stands_still) {
                client.execute("system_powerdown", None).await?;
            }
            Ok(status)
        };
        self.vm.qmp(QMP_PATIENCE, press).await
    }

    async fn quit(&mut self) -> bool {
        let quit = async |client: &mut Client| client.execute("quit", None).await.map(drop);
        match self.vm.qmp(QMP_PATIENCE, quit).await {
            // QEMU may be gone before its answer is.
            Ok(()) | Err(Error::Qmp { error: qmp::Error::Closed, .. }) => {
                self.ends_within(GRACE).await
            }
            Err(error) => {
                self.notes.push(reason(error));
                self.vm.process.has_ended()
            }
        }
    }

    async fn signal(&mut self, signal: Signal) -> bool {
        if let Err(error) = self.vm.process.signal(signal) {
            self.notes.push(format!("can't send a signal: {error}"));
        }
        self.ends_within(GRACE).await
    }

    async fn ends_within(&self, time: Duration) -> bool {
        matches!(tokio::time::timeout(time, self.vm.process.ended()).await, Ok(Ok(())))
    }
}

/// Whether the guest does nothing until somebody else has it go on. Migrations and snapshots do that
/// themselves.
fn stands_still(status: &qmp::Status) -> bool {
    let goes_on = ["inmigrate", "finish-migrate", "restore-vm", "save-vm", "colo"];
    !status.running && !goes_on.contains(&status.status.as_str())
}

/// What went wrong, for a note that is about this VM already.
fn reason(error: Error) -> String {
    match error {
        Error::Qmp { error, .. } => error.to_string(),
        Error::QmpTimeout { waited, held, .. } => no_answer(waited, held),
        other => other.to_string(),
    }
}
