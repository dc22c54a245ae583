//! Running one command in a throwaway instance of a VM.

mod protect;

use crate::config::{Config, Instance, Port};
use crate::lease::Keeper;
use crate::ssh::{self, Session};
use crate::vm::{self, StartOptions};
use crate::wait::{Condition, Plan, Watch};
use crate::{Error, bundle};
use serde::Serialize;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::str::FromStr;
use std::time::Duration;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// The exit code for a command that could not be run to its end.
const OWN_FAILURE: u8 = 125;

/// How long a VM may take to be seen dead after the connection to it broke.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Something to copy: `FROM:TO`.
#[derive(Clone, Debug)]
pub struct Copy {
    from: String,
    to: String,
}

impl FromStr for Copy {
    type Err = String;

    fn from_str(text: &str) -> Result<Copy, String> {
        match text.split_once(':') {
            Some((from, to)) if !from.is_empty() && !to.is_empty() => {
                Ok(Copy { from: from.to_owned(), to: to.to_owned() })
            }
            _ => Err(format!("`{text}` does not say from where and to where: write FROM:TO")),
        }
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// What to copy in first.
    pub put: Vec<Copy>,
    /// What to copy out afterwards.
    pub get: Vec<Copy>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Whether to leave the instance running when anything fails.
    pub keep_on_failure: bool,
    /// The command, as ssh takes it; none for a shell.
    pub command: Vec<String>,
    /// Whether to collect the command's output instead of passing it on.
    pub capture: bool,
}

/// Why a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The command ended.
    Command,
    /// The guest's kernel panicked.
    GuestPanic,
    /// QEMU ended.
    QemuDeath,
    /// The time was over.
    Timeout,
    /// qqmgr was told to end.
    Signal,
    /// Something else failed, such as copying.
    Failure,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    /// The instance.
    pub name: String,
    /// The command's own exit code, or qqmgr's.
    pub exit_code: u8,
    /// Why it came to its end.
    pub ended_by: EndedBy,
    /// What happened, unless the command ended.
    pub message: Option<String>,
    /// The crash bundle.
    pub bundle: Option<PathBuf>,
    /// The instance again, if it was left running.
    pub kept: Option<String>,
    /// How long it took in all, in seconds.
    pub seconds: f64,
    /// What the command wrote to its standard output, if it was collected.
    pub stdout: Option<String>,
    /// Likewise its standard error.
    pub stderr: Option<String>,
}

/// Boots a throwaway instance, runs the job in it, and throws it away.
///
/// # Errors
/// It could not even be tried: the config is wrong, or the keeper can't be started.
pub async fn run(config: &Config, vm: &str, job: &Job) -> Result<Ran, Error> {
    let started = Instant::now();
    let instance = new_instance(config, vm)?;
    protect::check(config, &instance)?;
    let mut signals = Signals::new().map_err(|error| Error::Runtime { error })?;
    let keeper = Keeper::of_run(&instance).await?;
    let end = tokio::select! {
        number = signals.next() => End::Signal(number),
        result = work(config, &instance, job, started) => match result {
            Ok(output) => End::Command(output),
            Err(error) => End::Failure(error),
        },
    };
    let mut ran = end.report(&instance, job.capture);
    if job.keep_on_failure && ran.exit_code != 0 && keeper_stays(&instance) {
        if keeper.stay().await.is_ok() {
            ran.kept = Some(instance.name);
        }
    } else {
        keeper.finish().await;
    }
    ran.seconds = started.elapsed().as_secs_f64();
    Ok(ran)
}

fn new_instance(config: &Config, vm: &str) -> Result<Instance, Error> {
    let mut random = [0; 4];
    let flags = rustix::rand::GetRandomFlags::empty();
    rustix::rand::getrandom(&mut random, flags)
        .map_err(|error| Error::Runtime { error: error.into() })?;
    let instance = config.run_instance(vm, &format!("{:08x}", u32::from_ne_bytes(random)))?;
    Ok(Instance { port: Port::Auto, ..instance })
}

/// Whether there is anything left to keep running.
fn keeper_stays(instance: &Instance) -> bool {
    vm::VmDir::open(instance).ok().flatten().is_some_and(|dir| matches!(dir.process(), Ok(Some(_))))
}

/// How it ended.
enum End {
    Command(Output),
    Signal(u8),
    Failure(Error),
}

impl End {
    fn report(self, instance: &Instance, capture: bool) -> Ran {
        let mut ran = Ran {
            name: instance.name.clone(),
            exit_code: OWN_FAILURE,
            ended_by: EndedBy::Failure,
            message: None,
            bundle: None,
            kept: None,
            seconds: 0.0,
            stdout: None,
            stderr: None,
        };
        match self {
            End::Command(output) => {
                let text =
                    |bytes: &[u8]| capture.then(|| String::from_utf8_lossy(bytes).into_owned());
                ran.ended_by = EndedBy::Command;
                ran.exit_code = exit_code(output.status);
                (ran.stdout, ran.stderr) = (text(&output.stdout), text(&output.stderr));
            }
            End::Signal(number) => {
                ran.ended_by = EndedBy::Signal;
                ran.exit_code = 128 + number;
                ran.message = Some(format!("ended by signal {number}"));
            }
            End::Failure(error) => {
                ran.bundle = error.bundle();
                let error = match error {
                    Error::Crashed { error, .. } => *error,
                    error => error,
                };
                ran.message = Some(error.to_string());
                ran.ended_by = match error {
                    Error::Panicked { .. } => EndedBy::GuestPanic,
                    Error::QemuFailed { .. } | Error::Died { .. } => EndedBy::QemuDeath,
                    Error::StartTimeout { .. } | Error::WaitTimeout { .. } => EndedBy::Timeout,
                    _ => EndedBy::Failure,
                };
            }
        }
        ran
    }
}

/// A code for a status: the signal's as a shell gives it.
fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// Starts the instance and does the job; what is known of one that dies goes into a bundle.
async fn work(
    config: &Config,
    instance: &Instance,
    job: &Job,
    started: Instant,
) -> Result<Output, Error> {
    let extra = vec!["-snapshot".to_owned()];
    // One that may be kept has to survive us; its keeper ends it all the same if we are killed.
    let die_with_us = !job.keep_on_failure;
    let options = StartOptions { extra, timeout: job.timeout, die_with_us };
    if let Err(error) = vm::start(config, instance, &options).await {
        return Err(bundle::of_start(config, instance, error).await);
    }
    let gone = || Error::Died { vm: instance.name.clone(), stderr: String::new() };
    let watch = Watch::open(config, instance)?.ok_or_else(gone)?;
    let result = watch.while_well(async {
        let plan = Plan {
            conditions: vec![Condition::Ssh],
            any: false,
            fail_on: Vec::new(),
            timeout: job.timeout,
            since: started,
        };
        watch.hold(&plan).await?;
        let left = job.timeout.saturating_sub(started.elapsed());
        let steps = steps(config, instance, job);
        tokio::time::timeout(left, steps).await.unwrap_or_else(|_| Err(overdue(instance, job)))
    });
    watch.bundled(started, result.await).await
}

fn overdue(instance: &Instance, job: &Job) -> Error {
    Error::WaitTimeout {
        vm: instance.name.clone(),
        waited: job.timeout,
        missing: "the command's end".to_owned(),
        held: String::new(),
        detail: String::new(),
    }
}

async fn steps(config: &Config, instance: &Instance, job: &Job) -> Result<Output, Error> {
    let session = Session::open(config, instance)?;
    for copy in &job.put {
        let paths = [copy.from.clone(), copy.to.clone()];
        copied(instance, &copy.from, ssh::put(&session, &paths)?).await?;
    }
    let mut command = Command::from(session.ssh(&job.command));
    command.stdin(Stdio::inherit()).kill_on_drop(true);
    if job.capture {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let child = command.spawn().map_err(not_run)?;
    let output = child.wait_with_output().await.map_err(not_run)?;
    if output.status.code() == Some(255) {
        // The connection broke, perhaps because the VM did: whoever watches that is to say so.
        tokio::time::sleep(AFTERMATH).await;
    }
    for copy in &job.get {
        let paths = [copy.from.clone(), copy.to.clone()];
        copied(instance, &copy.from, ssh::get(&session, &paths)?).await?;
    }
    Ok(output)
}

/// Runs scp, whose progress is nobody's concern.
async fn copied(instance: &Instance, what: &str, scp: std::process::Command) -> Result<(), Error> {
    let mut scp = Command::from(scp);
    scp.stdin(Stdio::null()).kill_on_drop(true);
    let output = scp.output().await.map_err(not_run)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Error::NotCopied {
            vm: instance.name.clone(),
            what: what.to_owned(),
            reason: vm::harmless(&output.stderr),
        }),
    }
}

fn not_run(error: std::io::Error) -> Error {
    Error::Spawn { program: "ssh".to_owned(), error, place: None }
}

/// The signals that end us, and the instance with us.
struct Signals([(u8, Signal); 3]);

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals([
            (1, signal(SignalKind::hangup())?),
            (2, signal(SignalKind::interrupt())?),
            (15, signal(SignalKind::terminate())?),
        ]))
    }

    async fn next(&mut self) -> u8 {
        let [(one, hangup), (two, interrupt), (three, terminate)] = &mut self.0;
        tokio::select! {
            _ = hangup.recv() => *one,
            _ = interrupt.recv() => *two,
            _ = terminate.recv() => *three,
        }
    }
}
