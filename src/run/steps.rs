//! The steps of a run inside the guest: copies in, the command, copies out. The progress is always
//! known, since anything may end the run.

use super::job::{Copy, Job, Said};
use crate::Error;
use crate::config::Instance;
use crate::error::SystemError;
use crate::ssh::{self, Session, SshError};
use crate::sys::child::last_of;
use crate::sys::shared::Shared;
use crate::text::sanitize::harmless;
use crate::vm::awaited;
use crate::wait::Subject;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::mpsc::Sender;

/// How long the rest of a command's output may take to arrive after the command has ended.
const REST: Duration = Duration::from_secs(1);

/// The progress of a job.
#[derive(Default)]
pub struct Progress {
    step: Shared<Step>,
    status: Shared<Option<ExitStatus>>,
    output: OnceLock<[File; 2]>,
    not_copied: Shared<Vec<Error>>,
}

#[derive(Clone, Copy, Default)]
enum Step {
    #[default]
    Put,
    Command,
    Get,
}

impl Progress {
    /// The current step, for people.
    pub fn awaited(&self) -> &'static str {
        match *self.step.lock() {
            Step::Put => "the files to be copied in",
            Step::Command => "the command to end",
            Step::Get => "the files to be copied out",
        }
    }

    /// How the command ended, if it has ended.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.status.lock()
    }

    /// The command's standard output and error, if they are collected.
    pub fn output(&self) -> Option<(String, String)> {
        let [stdout, stderr] = self.output.get()?;
        Some((text(stdout), text(stderr)))
    }

    /// Which files were not copied out, and why.
    pub fn not_copied(&self) -> Option<String> {
        let errors: Vec<_> = self.not_copied.lock().iter().map(Error::to_string).collect();
        (!errors.is_empty()).then(|| errors.join("\n"))
    }

    /// The files that collect the command's output. A file keeps the output when the command is cut
    /// off, even output from a shared connection's own process.
    fn collect(&self) -> io::Result<[Stdio; 2]> {
        let file = |name| io::Result::Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC)?));
        let files = [file("stdout")?, file("stderr")?];
        let streams = [files[0].try_clone()?.into(), files[1].try_clone()?.into()];
        let _ = self.output.set(files);
        Ok(streams)
    }
}

/// The whole contents of a file, whose writer may still have it open and shares our position.
fn text(file: &File) -> String {
    let mut bytes = vec![0; file.metadata().map_or(0, |file| file.len() as usize)];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

/// Runs a job in a guest that accepts logins.
pub async fn steps(subject: &Subject<'_>, job: &Job, progress: &Progress) -> Result<(), Error> {
    let instance = subject.instance;
    let session = Session::open(subject.config, instance).await?;
    awaited::tell(instance, progress.awaited());
    for copy in &job.put {
        copied(instance, job, copy, ssh::put(&session, &copy.paths())?).await?;
    }
    *progress.step.lock() = Step::Command;
    // While the command runs, it has the terminal.
    awaited::tell(instance, "");
    let status = command(&session, job, progress).await?;
    if status.code() == Some(255) && subject.is_ending().await {
        // The guest's fault broke the connection, and the observer of the VM reports it.
        std::future::pending::<()>().await;
    }
    *progress.status.lock() = Some(status);
    *progress.step.lock() = Step::Get;
    awaited::tell(instance, progress.awaited());
    for copy in &job.get {
        if let Err(error) = copied(instance, job, copy, ssh::get(&session, &copy.paths())?).await {
            progress.not_copied.lock().push(error);
        }
    }
    Ok(())
}

async fn command(session: &Session, job: &Job, progress: &Progress) -> Result<ExitStatus, Error> {
    let mut command = Command::from(session.ssh(&job.words()?));
    command.stdin(Stdio::inherit()).kill_on_drop(true);
    if job.capture {
        let streams =
            progress.collect().map_err(|error| Error::from(SystemError::Runtime { error }))?;
        let [stdout, stderr] = streams;
        command.stdout(stdout).stderr(stderr);
    }
    match &job.output {
        Some(output) => told(command, output).await.map_err(not_run),
        None => command.status().await.map_err(not_run),
    }
}

/// Runs a command and sends its output to the caller.
async fn told(mut command: Command, output: &Sender<Said>) -> io::Result<ExitStatus> {
    let mut ssh = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (ssh.stdout.take(), ssh.stderr.take());
    let all = async {
        tokio::join!(tell(stdout, output, Said::Stdout), tell(stderr, output, Said::Stderr))
    };
    let ended = async {
        let status = ssh.wait().await;
        // The process of a shared connection may have the pipes too, and never close them.
        tokio::time::sleep(REST).await;
        status
    };
    tokio::select! {
        _ = all => {}
        status = ended => return status,
    }
    ssh.wait().await
}

/// Sends a stream's output, piece by piece.
async fn tell(
    stream: Option<impl AsyncRead + Unpin>,
    output: &Sender<Said>,
    said: impl Fn(Vec<u8>) -> Said,
) {
    let Some(mut stream) = stream else { return };
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0)
        && output.send(said(std::mem::take(&mut bytes))).await.is_ok()
    {}
}

/// Runs scp; if it fails, its standard error is in the error.
async fn copied(
    instance: &Instance,
    job: &Job,
    copy: &Copy,
    scp: std::process::Command,
) -> Result<(), Error> {
    let mut scp = Command::from(scp);
    let meter = if job.progress { io::stderr().into() } else { Stdio::null() };
    scp.stdin(Stdio::null()).stdout(meter).stderr(Stdio::piped()).kill_on_drop(true);
    let said = async {
        let mut scp = scp.spawn()?;
        let stderr = match scp.stderr.take() {
            Some(stderr) => last_of(stderr).await?,
            None => Vec::new(),
        };
        io::Result::Ok((scp.wait().await?, stderr))
    };
    let (status, stderr) = said.await.map_err(not_run)?;
    match status.success() {
        true => Ok(()),
        false => Err(SshError::NotCopied {
            vm: instance.name.clone(),
            what: copy.from.display().to_string(),
            reason: harmless(&stderr),
        }
        .into()),
    }
}

fn not_run(error: io::Error) -> Error {
    Error::from(SystemError::Spawn { program: "ssh".to_owned(), error, place: None })
}
