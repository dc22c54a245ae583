//! Waits until conditions of a running VM are met, all at once, each as soon as its event comes.

mod condition;
mod error;
mod guest;
mod hold;
mod login;
mod observer;
mod serial;
mod start;
mod subject;
mod watch;

pub use condition::{Condition, FORMS};
pub use error::WaitError;
pub use subject::Subject;
pub use watch::{Alarms, Watch};

use crate::config::{Config, Instance};
use crate::{Error, vm};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// What to wait for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The conditions to meet.
    pub conditions: Vec<Condition>,
    /// Whether one of them is enough.
    pub any: bool,
    /// The conditions that make the wait fail at once.
    pub fail_on: Vec<Condition>,
    /// Whether events count that came before the wait began.
    pub since_start: bool,
    /// How long to wait at most; zero asks whether the conditions are met now.
    pub timeout: Duration,
    /// When the wait began.
    pub since: Instant,
}

impl Plan {
    /// Whether each condition is tried only once.
    pub(super) fn is_once(&self) -> bool {
        self.timeout.is_zero()
    }

    /// Whether it needs a guest that answers; after a panic the guest never does.
    fn needs_answer(&self) -> bool {
        let mut conditions = self.conditions.iter();
        match self.any {
            true => conditions.all(Condition::needs_answer),
            false => conditions.any(Condition::needs_answer),
        }
    }
}

/// The result of a wait.
#[derive(Clone, Debug, Serialize)]
pub struct Waited {
    /// The VM.
    pub name: String,
    /// The conditions that were met.
    pub held: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Waits as planned for a VM; if it has to be running, another command may start it meanwhile.
///
/// If the VM dies or never comes up, a bundle keeps what is known about it.
///
/// # Errors
/// As [`Watch::hold`], or the VM is not running.
pub async fn wait(config: &Config, instance: &Instance, plan: &Plan) -> Result<Waited, Error> {
    let stopped = |condition: &Condition| matches!(condition, Condition::Stopped);
    let running = |condition: &Condition| matches!(condition, Condition::Running);
    let panic = plan.needs_answer() && !plan.is_once();
    let alarms = Alarms { panic, ..Alarms::default() };
    let mut watch = Watch::open(config, instance, alarms)?;
    if watch.is_none() {
        let is_stopped = match plan.any {
            true => plan.conditions.iter().any(stopped),
            false => plan.conditions.iter().all(stopped),
        };
        if is_stopped {
            let held = vec![Condition::Stopped.to_string()];
            return Ok(Waited { name: instance.name.clone(), held, seconds: 0.0 });
        }
        if plan.conditions.iter().any(running) {
            start::started(instance, plan).await?;
            watch = Watch::open(config, instance, alarms)?;
        }
    }
    watch.ok_or_else(|| vm::not_running(instance))?.hold(plan.since, plan).await
}
