//! The steps of a stop, from a request to the guest to SIGKILL, each harder than the last.

use super::awaited;
use super::ended::Method;
use super::error::{VmError, no_answer};
use super::history::History;
use super::liveness::Running;
use super::panic;
use crate::Error;
use crate::config::Instance;
use crate::error::plain;
use crate::qmp::{self, Client};
use crate::sys::deadline;
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::Instant;

/// How long QMP may take to accept a command, on a busy machine.
const QMP_PATIENCE: Duration = Duration::from_secs(5);

/// How long QEMU may take to end after each of `quit` and SIGTERM.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How long the kernel may take to end a process after SIGKILL, on a busy machine.
pub(super) const LAST_GRACE: Duration = Duration::from_secs(30);

/// A guest that is still booting misses the power button, so qqmgr presses it again.
const PRESS_INTERVAL: Duration = Duration::from_secs(2);

/// The step to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Asks the guest, which has this time to power down.
    Powerdown(Duration),
    /// QMP `quit`, also while another qqmgr is starting or stopping the VM.
    Quit,
    /// SIGTERM, also while another qqmgr is starting or stopping the VM.
    Sigterm,
    /// SIGKILL, also while another qqmgr is starting or stopping the VM.
    Sigkill,
}

/// A running VM that is being stopped.
#[derive(Debug)]
pub(super) struct Ladder<'a> {
    /// Its identity.
    pub instance: &'a Instance,
    /// The VM.
    pub vm: Running,
    /// What went wrong on the way.
    pub notes: Vec<String>,
}

impl Ladder<'_> {
    /// Takes the steps from `from` on, and returns the one that ended the VM.
    ///
    /// # Errors
    /// The process survives SIGKILL.
    pub async fn descend(&mut self, from: From, started: Instant) -> Result<Method, Error> {
        if let From::Powerdown(timeout) = from
            && self.power_down(deadline::after(started, timeout)).await
        {
            return Ok(Method::Powerdown);
        }
        if matches!(from, From::Powerdown(_) | From::Quit) && self.quit().await {
            return Ok(Method::Quit);
        }
        if from != From::Sigkill && self.signal(Signal::TERM, GRACE).await {
            return Ok(Method::Sigterm);
        }
        if self.signal(Signal::KILL, LAST_GRACE).await {
            return Ok(Method::Sigkill);
        }
        let (vm, pid) = (self.vm.name.clone(), self.vm.process.pid());
        Err(VmError::Unkillable { vm, pid }.into())
    }

    /// Presses the power button until the guest has powered down or the time is over.
    ///
    /// Other clients can use QMP between two presses: QEMU serves one client at a time.
    async fn power_down(&mut self, deadline: Instant) -> bool {
        awaited::tell(self.instance, "the guest to power down");
        let mut pressed = false;
        loop {
            if self.has_panicked() {
                self.notes.push("the guest can't power down: it has panicked".to_owned());
                return false;
            }
            match self.press().await {
                // With `-no-shutdown` QEMU stays after the guest has powered down.
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

    /// Presses the power button, unless the guest can't answer; returns the run state, if known.
    async fn press(&self) -> Result<Option<qmp::Status>, Error> {
        let press = async |client: &mut Client| {
            let status = match client.query_status().await {
                // The button works even without a run state.
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

    /// Whether the guest's kernel has panicked and says that it stays so.
    fn has_panicked(&self) -> bool {
        let dir = &self.vm.dir;
        History::read(dir).is_ok_and(|history| {
            panic::seen(dir, &history).is_some() && panic::has_stayed(dir, &history)
        })
    }

    async fn quit(&mut self) -> bool {
        awaited::tell(self.instance, "QEMU to quit");
        let quit = async |client: &mut Client| client.execute("quit", None).await.map(drop);
        match self.vm.qmp(QMP_PATIENCE, quit).await {
            Ok(()) => self.ends_within(GRACE).await,
            // QEMU may exit before it has answered.
            Err(error) if is_closed(&error) => self.ends_within(GRACE).await,
            Err(error) => {
                self.notes.push(reason(error));
                self.vm.process.has_ended()
            }
        }
    }

    async fn signal(&mut self, signal: Signal, grace: Duration) -> bool {
        awaited::tell(self.instance, "its process to exit");
        if let Err(error) = self.vm.process.signal(signal) {
            self.notes.push(format!("can't send a signal: {}", plain(error)));
        }
        self.ends_within(grace).await
    }

    async fn ends_within(&self, time: Duration) -> bool {
        matches!(tokio::time::timeout(time, self.vm.process.ended()).await, Ok(Ok(())))
    }
}

/// Whether the guest is paused until another command resumes it. After a migration or a snapshot,
/// QEMU resumes it without a command.
fn stands_still(status: &qmp::Status) -> bool {
    let goes_on = ["inmigrate", "finish-migrate", "restore-vm", "save-vm", "colo"];
    !status.running && !goes_on.contains(&status.status.as_str())
}

/// What went wrong, for a note that already names the VM.
fn reason(error: Error) -> String {
    match error.get() {
        Some(VmError::Qmp { error, .. }) => error.to_string(),
        Some(VmError::QmpTimeout { waited, held, .. }) => no_answer(*waited, *held),
        _ => error.to_string(),
    }
}

fn is_closed(error: &Error) -> bool {
    matches!(error.get(), Some(VmError::Qmp { error: qmp::Error::Closed, .. }))
}
