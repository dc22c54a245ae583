//! Brings a VM up: starts it, gives it its lease, and waits for its conditions.

use crate::config::{Config, Instance};
use crate::lease;
use crate::vm::{self, Lease, LeaseStatus, StartOptions, Started};
use crate::wait::{Alarms, Condition, Plan, Watch};
use crate::{Error, bundle};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// How to bring a VM up.
#[derive(Clone, Debug)]
pub struct Up {
    /// How to start it.
    pub options: StartOptions,
    /// The conditions to wait for, within the time that QEMU has to answer.
    pub conditions: Vec<Condition>,
    /// The lease that it gets. An empty lease removes the one that the VM has; `None` keeps it.
    pub lease: Option<Lease>,
}

/// The result of bringing a VM up.
#[derive(Clone, Debug, Serialize)]
pub struct UpReport {
    /// The start itself.
    #[serde(flatten)]
    pub started: Started,
    /// The lease that the VM has now.
    pub lease: Option<LeaseStatus>,
    /// Whether it was already running, and only has that lease now.
    #[serde(skip)]
    pub is_leased_anew: bool,
    /// The conditions that were met.
    pub held: Vec<String>,
    /// How long it took in all, in seconds.
    pub seconds: f64,
}

/// Brings a VM up; a VM that is already running is no error. It calls `on_started` once the VM has
/// started: the wait after that may be long.
///
/// # Errors
/// It does not start, can't have its lease, or does not meet the conditions in time. If it does not
/// come up, a bundle keeps everything known about it.
pub async fn up(
    config: &Config,
    instance: &Instance,
    up: &Up,
    on_started: impl AsyncFnOnce(&Started),
) -> Result<UpReport, Error> {
    let begun = Instant::now();
    let start = vm::start(config, instance, &up.options);
    let start = lease::while_starting(instance, up.lease.clone(), start, |started| started);
    let started = match start.await {
        Ok(started) => started,
        Err(error) => return Err(bundle::of_start(config, instance, error).await),
    };
    on_started(&started).await;
    let is_leased_anew = started.already_running && up.lease.is_some();
    let waiting = Waiting {
        conditions: up.conditions.clone(),
        timeout: up.options.timeout,
        begun,
        since: begun,
        since_start: !started.already_running,
    };
    let report = waiting.report(config, instance, started).await?;
    Ok(UpReport { is_leased_anew, ..report })
}

/// The wait for a VM that was started.
pub(super) struct Waiting {
    pub conditions: Vec<Condition>,
    pub timeout: Duration,
    /// When the operation began.
    pub begun: Instant,
    /// When the time to wait began.
    pub since: Instant,
    /// Whether all events of the VM's life count.
    pub since_start: bool,
}

impl Waiting {
    /// Waits until all conditions are met, and returns them.
    pub async fn hold(self, config: &Config, instance: &Instance) -> Result<Vec<String>, Error> {
        if self.conditions.is_empty() {
            return Ok(Vec::new());
        }
        let alarms = Alarms { panic: true, ..Alarms::default() };
        let watch = Watch::open(config, instance, alarms)?;
        let mut watch = watch.ok_or_else(|| vm::died(instance))?;
        let plan = Plan {
            conditions: self.conditions,
            any: false,
            fail_on: Vec::new(),
            since_start: self.since_start,
            timeout: self.timeout,
            since: self.since,
        };
        Ok(watch.hold(self.begun, &plan).await?.held)
    }

    /// Waits, and reports the start.
    pub async fn report(
        self,
        config: &Config,
        instance: &Instance,
        started: Started,
    ) -> Result<UpReport, Error> {
        let begun = self.begun;
        let held = self.hold(config, instance).await?;
        let lease = Lease::current(instance)?.map(|lease| lease.status());
        let seconds = begun.elapsed().as_secs_f64();
        Ok(UpReport { started, lease, is_leased_anew: false, held, seconds })
    }
}
