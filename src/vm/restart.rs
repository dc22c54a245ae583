//! Restarts a VM: with a new QEMU, or by a reset of the machine.

use super::attempt::{StartOptions, Started};
use super::dir::VmDir;
use super::ended::By;
use super::error::VmError;
use super::files;
use super::ladder::From;
use super::launch::Launch;
use super::liveness::running;
use super::start::{plan, start_holding};
use super::stop::{Stopped, stop_and_hold};
use super::timeline::{Milestone, Timeline};
use crate::Error;
use crate::config::{Config, Diagnostic, Instance, Source};
use crate::error::{Exit, Fault};
use crate::qemu_args::{Properties, option_name};
use std::sync::Arc;
use std::time::Duration;

/// How long QEMU may take to reset the machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stops a VM, if it is running, and starts it. `extra` are arguments to append to the config's;
/// `None` keeps those of the last start. No other qqmgr can start or stop it in between.
///
/// The guest has `timeout` to power down, and QEMU as long to answer.
///
/// # Errors
/// The config can't be resolved, which leaves the VM unchanged; or as stopping and starting.
pub async fn restart(
    config: &Config,
    instance: &Instance,
    extra: Option<Vec<String>>,
    timeout: Duration,
) -> Result<(Stopped, Started), Error> {
    let extra = match extra {
        Some(extra) => extra,
        None => {
            let launch = VmDir::open(instance)?.as_ref().map(Launch::read).transpose()?.flatten();
            launch.map(|launch| launch.extra).unwrap_or_default()
        }
    };
    plan(config, instance, &extra)?;
    let (stopped, lock) = stop_and_hold(instance, From::Powerdown(timeout), By::Restart).await?;
    let options = StartOptions { extra, timeout, die_with_us: false };
    match start_holding(config, instance, &options, lock).await {
        Ok(started) => Ok((stopped, started)),
        Err(error) if stopped.pid.is_some() => {
            Err(StoppedNow { vm: instance.name.clone(), error }.into())
        }
        Err(error) => Err(error),
    }
}

/// A start that failed after the VM was stopped for it.
#[derive(Debug, thiserror::Error)]
#[error("VM `{vm}` was stopped, but not started again: {error}")]
struct StoppedNow {
    vm: String,
    error: Error,
}

impl Fault for StoppedNow {
    fn answer(&self) -> (&'static str, Exit) {
        self.error.fault().answer()
    }

    fn hint(&self) -> Option<String> {
        self.error.hint()
    }

    fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
        let (source, mut diagnostics) = self.error.diagnostics()?;
        if let Some(first) = diagnostics.first_mut() {
            first.message = self.to_string();
        }
        Some((source, diagnostics))
    }

    fn excerpt(&self) -> Option<(&'static str, &str)> {
        self.error.excerpt()
    }

    fn is_crash(&self) -> bool {
        self.error.is_crash()
    }
}

/// Presses the machine's reset button (QMP `system_reset`) and returns after the reset. QEMU and
/// its pid stay.
///
/// # Errors
/// The VM is not running, the reset would end it, or QMP does not answer correctly.
pub async fn reset(instance: &Instance) -> Result<u32, Error> {
    let vm = running(instance)?;
    if let Some(option) = Launch::read(&vm.dir)?.and_then(|launch| ends_with_reset(&launch.argv)) {
        return Err(VmError::ResetEnds { vm: vm.name, option }.into());
    }
    let before = Timeline::read(&vm.dir);
    let mut timeline = Timeline::of_reset(&vm.dir);
    timeline.pass(Milestone::Qmp);
    // Commands that wait for the reset find it in this record. The reset works without it.
    let _ = timeline.write(&vm.dir);
    let pressed = vm.qmp(PATIENCE, async |client| {
        client.execute("system_reset", None).await?;
        while client.event().await?.name != "RESET" {}
        Ok(())
    });
    if let Err(error) = pressed.await {
        let _ = before.map(|before| before.write(&vm.dir));
        return Err(match error.get() {
            Some(VmError::QmpTimeout { waited, held: false, .. }) => {
                VmError::NotReset { vm: vm.name, waited: *waited }.into()
            }
            _ => error,
        });
    }
    // The guest may have new host keys after the reset.
    vm.dir.remove(files::KNOWN_HOSTS);
    Ok(vm.process.pid())
}

/// The option on a command line that makes QEMU exit when the machine is reset (QEMU manual,
/// "Invocation", `-no-reboot` and `-action`).
fn ends_with_reset(argv: &[String]) -> Option<String> {
    let pairs = argv.iter().zip(argv.iter().skip(1).map(Some).chain([None]));
    // If there are several, the last one counts.
    let mut found = None;
    for (word, value) in pairs {
        match (option_name(word), value) {
            (Some("no-reboot"), _) => found = Some(word.clone()),
            (Some("action"), Some(value)) => match Properties::parse(value).get("reboot") {
                Some("shutdown") => found = Some(format!("{word} {value}")),
                Some(_) => found = None,
                None => {}
            },
            _ => {}
        }
    }
    found
}
