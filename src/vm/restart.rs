//! Beginning a VM's life anew: with a fresh QEMU, or by a reset in place.

use super::dir::VmDir;
use super::ladder::From;
use super::launch::Launch;
use super::running::running;
use super::start::{StartOptions, Started, plan, start_holding};
use super::stop::{Stopped, stop_and_hold};
use super::timeline::{Milestone, Timeline};
use crate::Error;
use crate::config::{Config, Instance};
use std::time::Duration;

/// How long QMP may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Stops a VM, if it runs, and starts it with the arguments that it was started with. Nobody
/// else can start or stop it in between.
///
/// The guest has `timeout` to power down, and QEMU as long to answer.
///
/// # Errors
/// The config can't be resolved, which leaves the VM as it is; or as stopping and starting.
pub async fn restart(
    config: &Config,
    instance: &Instance,
    timeout: Duration,
) -> Result<(Stopped, Started), Error> {
    let launch = VmDir::open(instance)?.as_ref().and_then(Launch::read);
    let extra = launch.map(|launch| launch.extra).unwrap_or_default();
    plan(config, instance, &extra)?;
    let (stopped, lock) = stop_and_hold(instance, From::Powerdown(timeout)).await?;
    let options = StartOptions { extra, timeout, die_with_us: false };
    let started = start_holding(config, instance, &options, lock).await?;
    Ok((stopped, started))
}

/// Presses the machine's reset button (QMP `system_reset`); QEMU and its pid stay.
///
/// # Errors
/// The VM is not running, or QMP does not answer as it should.
pub async fn reset(instance: &Instance) -> Result<u32, Error> {
    let vm = running(instance)?;
    let mut timeline = Timeline::of_reset(&vm.dir);
    vm.qmp(PATIENCE, async |client| client.execute("system_reset", None).await).await?;
    timeline.pass(Milestone::Qmp);
    // It has been reset all the same if this can't be noted.
    let _ = timeline.write(&vm.dir);
    // The guest that comes up may have other host keys.
    vm.dir.remove("known_hosts");
    Ok(vm.process.pid())
}
