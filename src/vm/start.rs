//! Starts a VM: one QEMU, even if several commands start it, or else the reason why it failed.

use super::argv::CommandLine;
use super::attempt::{Attempt, StartOptions, Started, log_has_begun, unusable};
use super::dir::VmDir;
use super::error::VmError;
use super::launch::Launch;
use super::liveness::{Running, find_running};
use super::lock::Lock;
use super::{awaited, port};
use crate::Error;
use crate::config::{self, Config, Instance, Ports, Vm, reserved_option};
use crate::error::Usage;
use crate::qmp::Client;
use crate::sys::deadline;
use std::time::Duration;

/// How long a QEMU that is already running may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Another process can take a picked port before QEMU has it.
const PORT_ATTEMPTS: usize = 3;

/// The command line that a start would execute; for a port `auto`, with a port that is free now.
///
/// # Errors
/// The config can't be resolved, or an extra argument is qqmgr's own.
pub fn plan(
    config: &Config,
    instance: &Instance,
    extra: &[String],
) -> Result<(Vm, CommandLine), Error> {
    if let Some((arg, hint)) = extra.iter().find_map(|arg| Some((arg, reserved_option(arg)?))) {
        let message = format!("qqmgr sets `{arg}` itself");
        return Err(Usage { message, hint: Some(hint.to_owned()) }.into());
    }
    let ports = port::choose(&config.wanted_ports(instance)?).map_err(|error| VmError::System {
        vm: instance.name.clone(),
        action: "find a free port",
        error,
    })?;
    let vm = config.resolve(instance, &ports)?;
    let line = CommandLine::new(&vm, extra);
    Ok((vm, line))
}

/// Starts a VM and returns when its QMP has answered. A VM that is already running is no error.
///
/// # Errors
/// QEMU can't be executed, ends, or does not answer in time; then nothing of it is left.
pub async fn start(
    config: &Config,
    instance: &Instance,
    options: &StartOptions,
) -> Result<Started, Error> {
    start_holding(config, instance, options, None).await
}

/// Starts a VM as [`start`] does; `lock` is the right to do so, if the caller has it already.
///
/// # Errors
/// As [`start`].
pub async fn start_holding(
    config: &Config,
    instance: &Instance,
    options: &StartOptions,
    lock: Option<Lock>,
) -> Result<Started, Error> {
    awaited::tell(instance, "QEMU to answer");
    let deadline = deadline::within(options.timeout);
    let (dir, planned) = match (plan(config, instance, &options.extra), VmDir::open(instance)?) {
        (Ok(planned), _) => {
            (VmDir::create(instance).map_err(unusable(&instance.name))?, Ok(planned))
        }
        // A running VM needs no valid config.
        (Err(error), Some(dir)) if error.get::<config::Error>().is_some() => (dir, Err(error)),
        (Err(error), _) => return Err(error),
    };
    let _lock = match lock {
        Some(lock) => lock,
        None => dir.lock(&instance.name, deadline).await?,
    };
    if let Some(running) = find_running(instance)?
        && stays(&running).await?
    {
        let Running { name, dir, process } = running;
        let pid = process.pid();
        // The qqmgr that started it may have been killed while the VM came up.
        if dir.has_event_log() {
            log_has_begun(&dir, deadline).await;
        }
        let (Ports { ssh: ssh_port, named: ports }, has_them) = match Launch::read(&dir)? {
            Some(launch) => (launch.ports(), launch.extra == options.extra),
            None => (planned?.0.ports(), false),
        };
        let ignored_args = if has_them { Vec::new() } else { options.extra.clone() };
        let (already_running, warnings) = (true, Vec::new());
        return Ok(Started { name, pid, already_running, ssh_port, ports, ignored_args, warnings });
    }
    let (mut vm, mut line) = planned?;
    let attempt = Attempt { config, dir: &dir, deadline, options };
    let wanted = config.wanted_ports(instance)?;
    for _ in 1..PORT_ATTEMPTS {
        match attempt.launch(&vm, &line).await {
            Err(error)
                if let Some(VmError::PortTaken { port_use, .. }) = error.get()
                    && wanted.is_auto(port_use) =>
            {
                (vm, line) = plan(config, instance, &options.extra)?;
            }
            result => return result,
        }
    }
    attempt.launch(&vm, &line).await
}

/// Whether a process will stay: one that was told to end, perhaps by a `stop` that was killed, no
/// longer answers.
async fn stays(running: &Running) -> Result<bool, Error> {
    let ask = async |client: &mut Client| client.query_status().await;
    Ok(running.qmp(PATIENCE, ask).await.is_ok() || running.dir.process()?.is_some())
}
