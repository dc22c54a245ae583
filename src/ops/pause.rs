//! Stops a guest where it is, and lets it run again.

use crate::Error;
use crate::error::faults;
use crate::qmp::{self, Client};
use crate::target::Target;
use crate::vm::State;
use serde::Serialize;
use std::time::Duration;

/// How long QEMU may take to pause or resume a machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state of a machine that runs.
const RUNNING: &str = "running";

/// What came of a pause or a resume.
#[derive(Clone, Debug, Serialize)]
pub struct Moved {
    /// What was paused or resumed, as the user calls it.
    pub name: String,
    /// Its state now.
    pub state: String,
    /// Its state before.
    pub was: String,
}

/// Why a machine can't be paused or resumed.
#[derive(Debug, thiserror::Error)]
#[error("{target}: {action} had no effect: its state is `{state}`")]
pub struct NotMoved {
    target: String,
    action: &'static str,
    state: String,
}

faults!(NotMoved {
    NotMoved { .. } => "state_unchanged", State;
}
fn hint(&self) -> Option<String> {
    let target = &self.target;
    match self.state.as_str() {
        "panicked" | "internal-error" => Some(format!("boot it again: qqmgr restart {target} --reset")),
        "shutdown" => Some(format!("start it again: qqmgr restart {target}")),
        _ => None,
    }
});

/// Stops the guest where it is: its CPUs run no more until [`resume`]. One that is paused stays so.
///
/// # Errors
/// QMP fails, or the machine runs all the same.
pub async fn pause(target: &Target) -> Result<Moved, Error> {
    let exchange = async |client: &mut Client| {
        let was = client.query_status().await?;
        if was.status == RUNNING {
            client.execute("stop", None).await?;
        }
        Ok((was.status, client.query_status().await?.status))
    };
    let (was, state) = target.qmp(PATIENCE, exchange).await?;
    moved(target, "pausing it", was, state, |state| state != RUNNING)
}

/// Lets a guest run again that is paused, and wakes one that sleeps. One that runs goes on.
///
/// # Errors
/// QMP fails, or the machine does not run afterwards: a guest that has panicked or powered down can
/// only be reset or started again.
pub async fn resume(target: &Target) -> Result<Moved, Error> {
    let exchange = async |client: &mut Client| {
        let was = client.query_status().await?.status;
        match was.as_str() {
            RUNNING => return Ok((was.clone(), was)),
            "suspended" => drop(client.execute("system_wakeup", None).await?),
            _ => match client.execute("cont", None).await {
                // QEMU says so of a machine that has to be reset first; the state tells it too.
                Err(qmp::Error::Command { .. }) => {}
                result => drop(result?),
            },
        }
        let mut state = client.query_status().await?.status;
        while state != RUNNING && was == "suspended" {
            client.event().await?;
            state = client.query_status().await?.status;
        }
        Ok((was, state))
    };
    let (was, state) = target.qmp(PATIENCE, exchange).await?;
    moved(target, "resuming it", was, state, |state| state == RUNNING)
}

fn moved(
    target: &Target,
    action: &'static str,
    was: String,
    state: String,
    is_done: impl Fn(&str) -> bool,
) -> Result<Moved, Error> {
    let name = target.name();
    let (was, state) = (State::of_run_state(&was).name, State::of_run_state(&state).name);
    match is_done(&state) {
        true => Ok(Moved { name, state, was }),
        false => Err(NotMoved { target: name, action, state }.into()),
    }
}
