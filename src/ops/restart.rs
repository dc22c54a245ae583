//! Restarts or resets a VM, keeps its lease, and waits for its conditions.

use super::up::{UpReport, Waiting};
use crate::config::{Config, Instance};
use crate::vm::{self, Lease, Started, Stopped};
use crate::wait::Condition;
use crate::{Error, bundle, check, lease, ssh};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// How to restart a VM.
#[derive(Clone, Debug)]
pub struct Restart {
    /// Arguments to append for QEMU; `None` keeps those of the last start.
    pub extra: Option<Vec<String>>,
    /// The conditions to wait for.
    pub conditions: Vec<Condition>,
    /// How long the guest may take to power down, QEMU to answer, and the conditions to be met.
    pub timeout: Duration,
}

/// The result of a reset.
#[derive(Clone, Debug, Serialize)]
pub struct Reset {
    /// The VM.
    pub name: String,
    /// QEMU's process, which stays the same.
    pub pid: u32,
    /// Always true: it was reset, and not restarted.
    pub reset: bool,
    /// The conditions that were met.
    pub held: Vec<String>,
    /// How long it took in all, in seconds.
    pub seconds: f64,
}

/// Stops a VM, if it is running, and starts it again with the same lease; then calls `on_started`.
///
/// # Errors
/// The start would fail because of the config, the binary, a file or a port: then the VM keeps
/// running. Or as stopping, starting and waiting. If the VM does not come up, a bundle keeps what
/// is known about it.
pub async fn restart(
    config: &Config,
    instance: &Instance,
    restart: &Restart,
    on_started: impl FnOnce(&Stopped, &Started),
) -> Result<UpReport, Error> {
    let begun = Instant::now();
    check::before_restart(config, instance, restart.extra.as_deref()).await?;
    ssh::close(instance).await?;
    let lease = Lease::current(instance)?;
    let again = vm::restart(config, instance, restart.extra.clone(), restart.timeout);
    let again = lease::while_starting(instance, lease, again, |(_, started)| started);
    let (stopped, started) = match again.await {
        Ok(restarted) => restarted,
        Err(error) => return Err(bundle::of_start(config, instance, error).await),
    };
    on_started(&stopped, &started);
    // The time to come up does not include the time that the guest took to power down.
    waiting(restart, begun, Instant::now()).report(config, instance, started).await
}

/// Resets a VM's machine in place.
///
/// # Errors
/// As [`vm::reset`] and waiting.
pub async fn reset(
    config: &Config,
    instance: &Instance,
    restart: &Restart,
) -> Result<Reset, Error> {
    let begun = Instant::now();
    let pid = vm::reset(instance).await?;
    ssh::close(instance).await?;
    let held = waiting(restart, begun, begun).hold(config, instance).await?;
    let (name, seconds) = (instance.name.clone(), begun.elapsed().as_secs_f64());
    Ok(Reset { name, pid, reset: true, held, seconds })
}

fn waiting(restart: &Restart, begun: Instant, since: Instant) -> Waiting {
    let Restart { conditions, timeout, .. } = restart.clone();
    Waiting { conditions, timeout, begun, since, since_start: true }
}
