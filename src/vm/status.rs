//! What is: the state of a VM, or of all of them side by side.

use super::argv::{Forward, forwards};
use super::dir::VmDir;
use super::launch::Launch;
use super::lease::{Lease, LeaseStatus};
use super::orphan::orphan;
use super::running::Running;
use super::stop::is_stopping;
use crate::config::{Instance, Port};
use crate::process::{self, Process};
use crate::{Error, descriptors, qmp};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long `status` waits for QMP.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long `list` waits for the QMP of one VM, all of them side by side.
const LIST_PATIENCE: Duration = Duration::from_millis(800);

/// As many descriptors it takes to ask a VM.
const DESCRIPTORS: usize = 5;

/// The state of a VM that has no process.
const STOPPED: &str = "stopped";

/// The state of a VM whose process doesn't say.
const UNKNOWN: &str = "unknown";

/// All that is known about a VM.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// QMP's run state (QEMU QMP Reference, `RunState`), `stopped` without a process, or
    /// `unknown` when it can't be asked.
    pub state: String,
    /// QEMU's process.
    pub pid: Option<u32>,
    /// How long that has been running, in seconds.
    pub uptime_seconds: Option<f64>,
    /// QEMU's version.
    pub qemu_version: Option<String>,
    /// How SSH reaches it.
    pub ssh: SshStatus,
    /// The host's ports that QEMU forwards into the guest.
    pub forwards: Vec<Forward>,
    /// Whether a `stop`, or the end of its lease, is underway.
    pub stopping: bool,
    /// When it is to end by itself.
    pub lease: Option<LeaseStatus>,
    /// Whether the config has its definition: it may have been renamed or removed meanwhile.
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
}

impl Status {
    /// Whether the VM has a process.
    pub fn is_running(&self) -> bool {
        self.pid.is_some()
    }

    fn stopped(instance: &Instance) -> Status {
        let file = |name: &str| instance.dir.join(name);
        let port = match instance.port {
            Port::Fixed(port) => Some(port),
            Port::Auto => None,
        };
        Status {
            name: instance.name.clone(),
            state: STOPPED.to_owned(),
            pid: None,
            uptime_seconds: None,
            qemu_version: None,
            ssh: SshStatus { port },
            forwards: Vec::new(),
            stopping: false,
            lease: None,
            configured: instance.configured,
            dir: instance.dir.clone(),
            pid_file: file("pid"),
            serial_file: file("serial"),
            qmp_file: file("qmp.socket"),
            monitor_file: file("monitor.socket"),
            stdout_file: file("stdout"),
            stderr_file: file("stderr"),
            error: None,
        }
    }

    fn failed(self, error: &Error) -> Status {
        Status { state: UNKNOWN.to_owned(), error: Some(error.to_string()), ..self }
    }

    /// The status of a VM that no file tells of: stopped, unless it is an orphan.
    fn without_files(instance: &Instance) -> Status {
        let status = Status::stopped(instance);
        let Some(process) = orphan(instance) else {
            return status;
        };
        let error = Error::Orphaned { vm: instance.name.clone(), pid: process.pid() };
        status.with_process(&process).failed(&error)
    }

    fn with_process(mut self, process: &Process) -> Status {
        self.pid = Some(process.pid());
        let hundredths = |uptime: Duration| (uptime.as_secs_f64() * 100.0).round() / 100.0;
        self.uptime_seconds = process.uptime().map(hundredths);
        self.forwards = forwards(process::command_line(process.pid()).iter().map(String::as_str));
        self
    }

    /// What can be told of a process without asking it.
    fn of_process(instance: &Instance, vm: &Running) -> Status {
        let Running { dir, process, .. } = vm;
        let mut status = Status::stopped(instance).with_process(process);
        status.state = UNKNOWN.to_owned();
        status.ssh.port = Launch::read(dir).map(|launch| launch.ssh_port).or(status.ssh.port);
        status.stopping = is_stopping(dir);
        status.lease = Lease::of(dir, process.pid()).map(|lease| lease.status());
        status
    }
}

/// The state of one VM.
///
/// # Errors
/// The directory can't be used, or QMP does not answer as it should.
pub async fn status(instance: &Instance) -> Result<Status, Error> {
    match ask(instance, PATIENCE).await? {
        (status, None) => Ok(status),
        (_, Some(error)) => Err(error),
    }
}

/// The states of many VMs, asked side by side, as far as our descriptors suffice; what goes wrong
/// with one is in its `error`.
pub async fn list(instances: &[Instance]) -> Vec<Status> {
    let turns = Semaphore::new(descriptors::at_once(DESCRIPTORS));
    let one = async |instance| {
        // It is never closed.
        let _turn = turns.acquire().await;
        // On the heap only while it's being asked: most of a thousand VMs don't even run.
        match Box::pin(ask(instance, LIST_PATIENCE)).await {
            Ok((status, None)) => status,
            Ok((status, Some(error))) => status.failed(&error),
            Err(error) => Status::stopped(instance).failed(&error),
        }
    };
    futures_util::future::join_all(instances.iter().map(one)).await
}

/// The state of a VM, and what went wrong with asking its process.
async fn ask(instance: &Instance, patience: Duration) -> Result<(Status, Option<Error>), Error> {
    let Some(dir) = VmDir::open(instance)? else {
        return Ok((Status::without_files(instance), None));
    };
    let Some(process) = dir.settled_process().await? else {
        return Ok((Status::without_files(instance), None));
    };
    let vm = Running { name: instance.name.clone(), dir, process };
    let question = async |client: &mut qmp::Client| {
        let version = client.version().to_string();
        client.query_status().await.map(|status| (status.status, version))
    };
    let answer = vm.qmp(patience, question).await;
    if answer.is_err() && vm.dir.process()?.is_none() {
        // It ended while it was asked.
        return Ok((Status::stopped(instance), None));
    }
    let mut status = Status::of_process(instance, &vm);
    match answer {
        Ok((state, version)) => {
            status.state = state;
            status.qemu_version = Some(version);
            Ok((status, None))
        }
        Err(error) => Ok((status, Some(error))),
    }
}
