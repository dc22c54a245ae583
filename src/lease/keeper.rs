//! Starts a keeper and talks to it: the side of the process that needs one.

use super::{KEEPER, READY, Role, Word};
use crate::Error;
use crate::config::Instance;
use crate::error::plain;
use crate::sys::helper;
use crate::vm::{self, By, From, Lease, Started, VmDir, VmError};
use serde::Serialize;
use std::io;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A keeper that has been started.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
    pipe: ChildStdin,
    answer: ChildStdout,
}

/// Starts a VM with `start`, and has its lease kept; `started` finds the report in the result.
///
/// The lease is kept even if this process is killed meanwhile. It replaces an earlier lease of the
/// VM's process; an empty lease removes that one. If the lease can't be kept, the VM is stopped,
/// unless it was already running.
///
/// # Errors
/// Those of `start`, or the lease can't be kept.
pub async fn while_starting<T>(
    instance: &Instance,
    lease: Option<Lease>,
    start: impl Future<Output = Result<T, Error>>,
    started: impl Fn(&T) -> &Started,
) -> Result<T, Error> {
    let lease = match lease {
        None => return start.await,
        Some(lease) if lease.is_empty() => {
            let done = start.await?;
            super::take_off(instance).await?;
            return Ok(done);
        }
        Some(lease) => lease,
    };
    let keeper = Keeper::start(instance, Some(lease)).await?;
    match start.await {
        Ok(done) => match keeper.keep(started(&done).pid).await {
            Ok(()) => Ok(done),
            Err(error) => Err(unkept(instance, started(&done), error).await),
        },
        Err(error) => {
            keeper.dismiss().await;
            Err(error)
        }
    }
}

impl Keeper {
    /// Starts the keeper of a throwaway instance, and returns when the instance's directory exists.
    ///
    /// # Errors
    /// It can't be started or can't make the directory.
    pub async fn of_run(instance: &Instance) -> Result<Keeper, Error> {
        let mut keeper = Keeper::start(instance, None).await?;
        let answered = answered(&mut keeper.answer).await;
        answered.map_err(|error| failed(instance, error))?;
        Ok(keeper)
    }

    async fn start(instance: &Instance, lease: Option<Lease>) -> Result<Keeper, Error> {
        let start = async || {
            let mut command = Command::from(helper::command(KEEPER, &instance.dir));
            let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let mut child = child.map_err(not_run)?;
            let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
            let mut pipe = child.stdin.take().ok_or_else(broken)?;
            let answer = child.stdout.take().ok_or_else(broken)?;
            say(&mut pipe, &Role { instance: instance.clone(), lease }).await?;
            Ok(Keeper { child, pipe, answer })
        };
        start().await.map_err(|error| failed(instance, error))
    }

    /// Leaves a VM's process to the keeper of its lease, which has it when this returns.
    async fn keep(mut self, pid: u32) -> io::Result<()> {
        say(&mut self.pipe, &Word::Keep { pid }).await?;
        drop(self.pipe);
        answered(&mut self.answer).await
    }

    /// Leaves a throwaway instance to the keeper and waits until the keeper has ended it.
    pub async fn finish(mut self) {
        drop(self.pipe);
        // Only its exit matters: `gc` does what it could not do.
        let _ = self.child.wait().await;
    }

    /// Tells the keeper that there is nothing to keep.
    async fn dismiss(mut self) {
        let _ = say(&mut self.pipe, &Word::Drop).await;
        self.finish().await;
    }

    /// Leaves a throwaway instance running until a user stops it.
    ///
    /// # Errors
    /// The keeper has ended.
    pub async fn stay(mut self) -> io::Result<()> {
        say(&mut self.pipe, &Word::Stay).await
    }
}

/// The error of a VM that is not kept. If it was started for this lease, it is ended.
async fn unkept(instance: &Instance, started: &Started, error: io::Error) -> Error {
    let found = vm::find_running(instance).ok().flatten();
    match found.filter(|found| found.process.pid() == started.pid) {
        Some(_) if started.already_running => failed(instance, error),
        Some(vm) => match vm::stop_only(&vm.process, instance, From::Quit, By::Start).await {
            Ok(_) => failed(instance, error),
            Err(error) => error,
        },
        None => match VmDir::open(instance) {
            Ok(Some(dir)) if vm::was_stopped(&dir) => {
                Error::from(VmError::Stopped { vm: instance.name.clone() })
            }
            _ => failed(instance, error),
        },
    }
}

fn not_run(error: io::Error) -> io::Error {
    let program = helper::program().display();
    io::Error::new(error.kind(), format!("can't run `{program}`: {}", plain(error)))
}

fn failed(instance: &Instance, error: io::Error) -> Error {
    Error::from(VmError::System {
        vm: instance.name.clone(),
        action: "start its lease keeper",
        error,
    })
}

async fn say(pipe: &mut ChildStdin, line: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(line)? + "\n";
    pipe.write_all(line.as_bytes()).await
}

/// Waits until the keeper has its task; an error says why it refused.
async fn answered(answer: &mut ChildStdout) -> io::Result<()> {
    let mut said = Vec::new();
    answer.read_to_end(&mut said).await?;
    match said == READY {
        true => Ok(()),
        false if said.is_empty() => Err(io::Error::other("its lease keeper was killed")),
        false => Err(io::Error::other(String::from_utf8_lossy(&said).into_owned())),
    }
}
