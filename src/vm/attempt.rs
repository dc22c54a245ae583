//! One try at bringing QEMU up: it answers, or nothing of it is left.

use super::argv::CommandLine;
use super::connect;
use super::dir::VmDir;
use super::ended::By;
use super::ending::Record;
use super::error::VmError;
use super::files;
use super::history::History;
use super::launch::Launch;
use super::spawned::Spawned;
use super::timeline::Milestone;
use super::{explain, serial_limit, spawn, stop};
use crate::Error;
use crate::config::{Config, Instance, Ports, Vm};
use crate::error::{SystemError, plain};
use crate::qmp::{self, Client};
use rustix::process::Signal;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::Instant;

/// The interval between looks at a log that QEMU has just opened: its first lines come within a
/// millisecond.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// How long a QEMU may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How to start a VM.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// Arguments for QEMU, appended to the config's.
    pub extra: Vec<String>,
    /// How long QEMU has to answer.
    pub timeout: Duration,
    /// Whether the kernel kills QEMU as soon as this process ends (prctl(2), `PR_SET_PDEATHSIG`).
    pub die_with_us: bool,
}

/// The result of a start.
#[derive(Clone, Debug, Serialize)]
pub struct Started {
    /// The VM.
    pub name: String,
    /// QEMU's process.
    pub pid: u32,
    /// Whether it was already running.
    pub already_running: bool,
    /// The port for SSH on the host.
    pub ssh_port: u16,
    /// The ports on the host with a name in the config.
    pub ports: BTreeMap<String, u16>,
    /// The arguments that could not be appended, since it was already running without them.
    pub ignored_args: Vec<String>,
    /// What QEMU wrote to its standard error as it came up, line by line, sanitised.
    pub warnings: Vec<String>,
}
/// The error for a VM's directory in which no file can be made.
pub(super) fn unusable(vm: &str) -> impl Fn(Error) -> Error {
    |error| match error.get() {
        Some(SystemError::File { .. }) => VmError::RuntimeDir { vm: vm.to_owned(), error }.into(),
        _ => error,
    }
}

/// Makes the VM's directory, in which a throwaway instance has its own.
///
/// # Errors
/// It can't be made or used.
pub fn prepare(instance: &Instance) -> Result<(), Error> {
    let unusable = unusable(&instance.definition);
    VmDir::create_at(instance.vm_dir()).map(drop).map_err(unusable)
}

/// One try at bringing QEMU up, under the VM's lock.
pub(super) struct Attempt<'a> {
    pub config: &'a Config,
    pub dir: &'a VmDir,
    pub deadline: Instant,
    pub options: &'a StartOptions,
}

impl Attempt<'_> {
    pub async fn launch(&self, vm: &Vm, line: &CommandLine) -> Result<Started, Error> {
        let launch = Launch::new(self.config, vm, line, &self.options.extra);
        let begun = launch.begin(self.dir);
        let (mut timeline, commands) = begun.map_err(unusable(&vm.instance.name))?;
        let command = spawn::command(vm, self.dir, line, &commands, self.options.die_with_us)?;
        let spawned = Spawned::spawn(command).await.map_err(|error| SystemError::Spawn {
            program: line.bin.clone(),
            error,
            place: explain::place_of_bin(self.config, vm),
        });
        let mut qemu = spawned?;
        let result = self.come_up(vm, line, &mut qemu).await;
        match &result {
            Ok(_) => {
                self.dir.tighten();
                // The VM has started even if this can't be recorded.
                let _ = timeline.note(self.dir, Milestone::Qmp);
            }
            Err(error) => {
                self.undo(&mut qemu).await;
                self.note(error);
            }
        }
        result
    }

    /// Waits for the first answer on QMP.
    async fn come_up(
        &self,
        vm: &Vm,
        line: &CommandLine,
        qemu: &mut Spawned,
    ) -> Result<Started, Error> {
        let system = |action| {
            move |error| {
                Error::from(VmError::System { vm: vm.instance.name.clone(), action, error })
            }
        };
        let answered = tokio::select! {
            biased;
            result = first_answer(self.dir) => result,
            ended = qemu.process.ended() => Err(ended.map_or_else(Into::into, |()| qmp::Error::Closed)),
            () = tokio::time::sleep_until(self.deadline) => {
                return Err(VmError::StartTimeout {
                    vm: vm.instance.name.clone(),
                    waited: self.options.timeout,
                    stderr: explain::last_words(self.dir),
                }.into());
            }
        };
        match answered {
            Ok(_client) => {
                // A wrapper that does not exec QEMU is its parent: the pidfile tells them apart.
                let pid = self.dir.process()?.map_or(qemu.process.pid(), |process| process.pid());
                let name = vm.instance.name.clone();
                let mut warnings: Vec<_> =
                    explain::last_words(self.dir).lines().map(str::to_owned).collect();
                if !log_has_begun(self.dir, self.deadline).await {
                    warnings.push("QEMU writes no event log".to_owned());
                }
                let limited = vm.serial_limit.map(|limit| serial_limit::limit(&vm.instance, limit));
                if let Some(Err(error)) = limited {
                    warnings.push(format!("can't limit its serial log: {}", plain(error)));
                }
                let Ports { ssh: ssh_port, named: ports } = vm.ports();
                let (ignored_args, already_running) = (Vec::new(), false);
                Ok(Started { name, pid, already_running, ssh_port, ports, ignored_args, warnings })
            }
            Err(error) => match self.end_of(qemu).await.map_err(system("wait for QEMU"))? {
                Some(_) if stop::was_stopped(self.dir) => {
                    Err(VmError::Stopped { vm: vm.instance.name.clone() }.into())
                }
                Some(status) => Err(explain::qemu_failed(self.config, vm, self.dir, line, status)),
                None => {
                    let (vm, pid) = (vm.instance.name.clone(), qemu.process.pid());
                    Err(VmError::Qmp { vm, pid, error }.into())
                }
            },
        }
    }

    /// Records how the start failed, for later commands. The start has failed even if this can't be
    /// recorded.
    fn note(&self, error: &Error) {
        let detail = match error.get() {
            Some(VmError::Stopped { .. }) => return,
            Some(VmError::QemuFailed { status, .. }) => format!("QEMU {status}"),
            Some(VmError::StartTimeout { .. }) => "QEMU did not answer in time".to_owned(),
            _ => error.to_string(),
        };
        let record = Record { detail: Some(detail), ..Record::new(By::Start) };
        let _ = self.dir.write_record(files::END, &record);
    }

    /// How QEMU ended, if it ends at all now that QMP is broken.
    async fn end_of(&self, qemu: &mut Spawned) -> io::Result<Option<ExitStatus>> {
        let grace = Duration::from_secs(1);
        match tokio::time::timeout(grace, qemu.process.ended()).await {
            Ok(ended) => {
                ended?;
                qemu.end().await
            }
            Err(_) => Ok(None),
        }
    }

    /// Removes a QEMU that did not come up, and every process that it started.
    async fn undo(&self, qemu: &mut Spawned) {
        // A process that does not end is still the VM, so its records stay.
        let _ = qemu.end().await;
        // A wrapper may have started QEMU in its own session.
        while let Ok(Some(process)) = self.dir.process() {
            let _ = process.signal(Signal::KILL);
            if !matches!(tokio::time::timeout(PATIENCE, process.ended()).await, Ok(Ok(()))) {
                return;
            }
        }
        self.dir.clean();
    }
}

/// Waits until QEMU has taken its first commands; from then on it logs its events. False if it does
/// not take them.
pub(super) async fn log_has_begun(dir: &VmDir, deadline: Instant) -> bool {
    let deadline = deadline.min(Instant::now() + PATIENCE);
    loop {
        match History::read(dir) {
            Ok(history) if history.is_open() => return true,
            Ok(_) if Instant::now() < deadline => tokio::time::sleep(LOOK_INTERVAL).await,
            _ => return false,
        }
    }
}

/// Connects to QMP as soon as QEMU listens and shakes hands.
async fn first_answer(dir: &VmDir) -> Result<Client, qmp::Error> {
    Client::handshake(connect::open(dir, files::QMP_SOCKET).await?).await
}
