//! Bringing a VM up: start it, give it its lease, and wait until it is as it is wanted.

use crate::config::{Config, Instance};
use crate::lease;
use crate::vm::{self, Lease, LeaseStatus, StartOptions, Started};
use crate::wait::{Alarms, Condition, Plan, Watch};
use crate::{Error, bundle};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// How a VM is wanted.
#[derive(Clone, Debug)]
pub struct Up {
    /// How to start it.
    pub options: StartOptions,
    /// What is to be waited for, within the time that QEMU has to answer.
    pub conditions: Vec<Condition>,
    /// When it is to end by itself: an empty lease is none, also of a VM that has one; without, it
    /// keeps what it has.
    pub lease: Option<Lease>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct UpReport {
    /// The start itself.
    #[serde(flatten)]
    pub started: Started,
    /// The lease that it has now.
    pub lease: Option<LeaseStatus>,
    /// Whether it was running before, and has that lease only now.
    #[serde(skip)]
    pub is_leased_anew: bool,
    /// What was waited for and holds.
    pub held: Vec<String>,
    /// How long all of it took, in seconds.
    pub seconds: f64,
}

/// Brings a VM up; one that runs already is no error. `on_started` is told as soon as it has
/// started: it may be long until the waiting is over.
///
/// # Errors
/// It does not start, can't have its lease, or is not as wanted in time. All that is known of a VM
/// that does not come up goes into a bundle.
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

/// What a VM that was started is waited for.
pub(super) struct Waiting {
    pub conditions: Vec<Condition>,
    pub timeout: Duration,
    /// When the whole of it began.
    pub begun: Instant,
    /// When the time to wait begins to run.
    pub since: Instant,
    /// Whether all events of the VM's life count.
    pub since_start: bool,
}

impl Waiting {
    /// Waits until all of it holds, and returns what that was.
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

    /// Waits, and tells what came of the start.
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
