//! The status of one VM, or of all VMs side by side.

use super::address::{self, address};
use super::dir::VmDir;
use super::ended::Ended;
use super::error::VmError;
use super::explain;
use super::files;
use super::forwards::forwards;
use super::history::History;
use super::launch::Launch;
use super::lease::{Lease, LeaseStatus};
use super::liveness::{Running, find_running};
use super::orphan::orphan;
use super::state::State;
use super::stop::is_stopping;
use crate::Error;
use crate::config::{Instance, Port};
use crate::qemu_args::Forward;
use crate::qmp::{self, Version};
use crate::sys::descriptors;
use crate::sys::process::Process;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long `status` waits for QMP.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long `list` waits for the QMP of one VM; all VMs are asked side by side.
const LIST_PATIENCE: Duration = Duration::from_millis(800);

/// How long QEMU may take to end after it has announced that.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// How much of a keeper's log is read, in bytes.
const LONGEST_NOTE: u64 = 1024;

/// How many descriptors it takes to ask a VM.
const DESCRIPTORS: usize = 5;

/// Everything known about a VM.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The VM's name.
    pub name: String,
    /// Its state, as in [`State::name`].
    pub state: String,
    /// A detail about the state, for people.
    pub state_detail: Option<String>,
    /// QEMU's process.
    pub pid: Option<u32>,
    /// How long QEMU has been running, in seconds.
    pub uptime_seconds: Option<f64>,
    /// QEMU's version.
    pub qemu_version: Option<String>,
    /// How SSH reaches it.
    pub ssh: SshStatus,
    /// The ports on the host with a name in the config, while the VM is running.
    pub ports: BTreeMap<String, u16>,
    /// The host's ports that QEMU forwards into the guest.
    pub forwards: Vec<Forward>,
    /// Whether a `stop`, or the end of its lease, is in progress.
    pub stopping: bool,
    /// When it has to end by itself.
    pub lease: Option<LeaseStatus>,
    /// When the keeper of its lease last failed, and why.
    pub keeper_error: Option<String>,
    /// How it ended, if it has no process and was started before.
    pub ended: Option<Ended>,
    /// Whether the config defines it: it may have been renamed or removed since the start.
    pub configured: bool,
    /// Its runtime directory.
    pub dir: PathBuf,
    /// QEMU's pidfile.
    pub pid_file: PathBuf,
    /// The log of the serial port.
    pub serial_file: PathBuf,
    /// The QMP socket.
    pub qmp_file: PathBuf,
    /// The human monitor's socket.
    pub monitor_file: PathBuf,
    /// The log of QEMU's standard output.
    pub stdout_file: PathBuf,
    /// The log of QEMU's standard error.
    pub stderr_file: PathBuf,
    /// Why the state is `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How SSH reaches a VM.
#[derive(Clone, Debug, Serialize)]
pub struct SshStatus {
    /// The port on the host; `None` while a VM with port `auto` is not running.
    pub port: Option<u16>,
    /// The `HostName`, if the config sets one, while the VM runs. For `guest`, [`status`] finds the
    /// address, and [`list`] leaves the word.
    pub host: Option<String>,
}

impl Status {
    /// Whether the VM has a process.
    pub fn is_running(&self) -> bool {
        self.pid.is_some() || self.state == State::elsewhere().name
    }

    fn stopped(instance: &Instance) -> Status {
        let file = |name: &str| instance.dir.join(name);
        let port = match instance.port {
            Port::Fixed(port) => Some(port),
            Port::Auto => None,
        };
        Status {
            name: instance.name.clone(),
            state: State::stopped().name,
            state_detail: None,
            ended: None,
            pid: None,
            uptime_seconds: None,
            qemu_version: None,
            ssh: SshStatus { port, host: None },
            ports: BTreeMap::new(),
            forwards: Vec::new(),
            stopping: false,
            lease: None,
            keeper_error: None,
            configured: instance.is_defined(),
            dir: instance.dir.clone(),
            pid_file: file(files::PID),
            serial_file: file(files::SERIAL),
            qmp_file: file(files::QMP_SOCKET),
            monitor_file: file(files::MONITOR_SOCKET),
            stdout_file: file(files::STDOUT),
            stderr_file: file(files::STDERR),
            error: None,
        }
    }

    fn failed(self, error: &Error) -> Status {
        Status { state: State::unknown().name, error: Some(error.to_string()), ..self }
    }

    /// The status of a VM without files: stopped, unless it is an orphan.
    fn without_files(instance: &Instance) -> Status {
        let status = Status::stopped(instance);
        let Some(process) = orphan(instance) else {
            return status;
        };
        let error =
            Error::from(VmError::Orphaned { vm: instance.name.clone(), pid: process.pid() });
        status.with_process(&process).failed(&error)
    }

    fn with_process(mut self, process: &Process) -> Status {
        self.pid = Some(process.pid());
        let hundredths = |uptime: Duration| (uptime.as_secs_f64() * 100.0).round() / 100.0;
        self.uptime_seconds = process.uptime().map(hundredths);
        self
    }

    /// What is known about a process without asking it.
    ///
    /// # Errors
    /// A record can't be read.
    fn of_process(instance: &Instance, vm: &Running) -> Result<Status, Error> {
        let Running { dir, process, .. } = vm;
        let mut status = Status::stopped(instance).with_process(process);
        status.state = State::unknown().name;
        if let Some(launch) = Launch::read(dir)? {
            status.ssh.host = address::host_name(&launch).map(str::to_owned);
            (status.ssh.port, status.ports) = (Some(launch.ssh_port), launch.ports);
        }
        status.stopping = is_stopping(dir);
        status.lease = Lease::of(dir, process.pid())?.map(|lease| lease.status());
        Ok(status)
    }
}

/// The state of a running VM: from the event log, or else from QMP.
///
/// # Errors
/// QMP does not answer correctly.
pub async fn state_of(vm: &Running, history: &History) -> Result<State, Error> {
    match (history.state(&vm.dir), history.likely_state()) {
        (Some(state), _) => Ok(state),
        (None, likely) => ask_state(vm).await.or_else(|error| likely.ok_or(error)),
    }
}

/// The state of a running VM, from QMP.
///
/// # Errors
/// QMP does not answer correctly.
pub async fn ask_state(vm: &Running) -> Result<State, Error> {
    Ok(vm.qmp(PATIENCE, question).await?.0)
}

/// Why the guest of a running VM does not run, and what helps; `None` if it runs.
pub async fn standstill(instance: &Instance) -> Option<String> {
    current_state(instance).await?.standstill(&instance.name)
}

/// The state of a running VM, if it can be told.
pub async fn current_state(instance: &Instance) -> Option<State> {
    let vm = find_running(instance).ok()??;
    let history = History::read(&vm.dir).ok()?;
    state_of(&vm, &history).await.ok()
}

/// The state of one VM.
///
/// # Errors
/// The directory can't be used, or QMP does not answer correctly.
pub async fn status(instance: &Instance) -> Result<Status, Error> {
    let mut status = match ask(instance, PATIENCE).await? {
        (status, None) => status,
        (_, Some(error)) => return Err(error),
    };
    // Only for one VM: a guest that does not answer would delay the list of all VMs.
    if let Some(host) = &status.ssh.host
        && let Some(vm) = find_running(instance)?
    {
        status.ssh.host = address(&vm, host).await;
    }
    Ok(status)
}

/// The states of many VMs, asked side by side, as far as our descriptors suffice. If one fails, its
/// `error` says why.
pub async fn list(instances: &[Instance]) -> Vec<Status> {
    let one = async |instance| {
        // On the heap, and only while it is asked: most of a thousand VMs are not even running.
        match Box::pin(ask(instance, LIST_PATIENCE)).await {
            Ok((status, None)) => status,
            Ok((status, Some(error))) => status.failed(&error),
            Err(error) => Status::stopped(instance).failed(&error),
        }
    };
    // A stream that made the futures itself would not be `Send`.
    let all: Vec<_> = instances.iter().map(one).collect();
    stream::iter(all).buffered(descriptors::at_once(DESCRIPTORS)).collect().await
}

/// The state of a VM, and the error if its process could not be asked.
async fn ask(instance: &Instance, patience: Duration) -> Result<(Status, Option<Error>), Error> {
    let Some(dir) = VmDir::open(instance)? else {
        return Ok((Status::without_files(instance), None));
    };
    let keeper = explain::end_of(&dir, files::KEEPER_LOG, LONGEST_NOTE);
    let (status, error) = ask_process(instance, dir, patience).await?;
    Ok((Status { keeper_error: keeper.lines().last().map(str::to_owned), ..status }, error))
}

async fn ask_process(
    instance: &Instance,
    dir: VmDir,
    patience: Duration,
) -> Result<(Status, Option<Error>), Error> {
    let process = match dir.settled_process().await {
        Err(error) => {
            let State { name: state, .. } = match error.get() {
                Some(VmError::Elsewhere { .. }) => State::elsewhere(),
                Some(VmError::Foreign { .. }) => State::foreign(),
                _ => return Err(error),
            };
            return Ok((Status { state, ..Status::stopped(instance).failed(&error) }, None));
        }
        Ok(process) => process,
    };
    let Some(process) = process else {
        let status = Status::without_files(instance);
        let ended = if status.is_running() { None } else { Ended::read(&dir) };
        return Ok((Status { ended, ..status }, None));
    };
    let vm = Running { name: instance.name.clone(), dir, process };
    let history = History::read(&vm.dir)?;
    if history.is_ending() {
        let _ = tokio::time::timeout(LAST_MOMENT, vm.process.ended()).await;
    }
    let answer = match (history.state(&vm.dir), history.version.clone()) {
        (Some(state), Some(version)) => Ok((state, version)),
        (told, _) => match (vm.qmp(patience, question).await, history.likely_state()) {
            (Ok((state, version)), _) => Ok((told.unwrap_or(state), version)),
            (Err(error), likely) => likely.zip(history.version.clone()).ok_or(error),
        },
    };
    if (answer.is_err() || history.is_ending()) && vm.dir.process()?.is_none() {
        // It ended while it was asked.
        let ended = Ended::read(&vm.dir);
        return Ok((Status { ended, ..Status::stopped(instance) }, None));
    }
    let mut status = Status::of_process(instance, &vm)?;
    status.forwards = forwards(&vm, patience).await;
    match answer {
        Ok((state, version)) => {
            (status.state, status.state_detail) = (state.name, state.detail);
            status.qemu_version = Some(version.to_string());
            Ok((status, None))
        }
        Err(error) => Ok((status, Some(error))),
    }
}

/// The state and the version, by QMP.
async fn question(client: &mut qmp::Client) -> Result<(State, Version), qmp::Error> {
    let version = client.version().clone();
    let status = client.query_status().await?;
    Ok((State::of_run_state(&status.status), version))
}
