//! `qqmgr ssh`, and how qqmgr runs OpenSSH's tools: in its own place, or for their output.

use super::quiet::wants_progress;
use super::supervise::{GRACE, Tool};
use super::{Context, output};
use crate::Error;
use crate::config::{Config, Instance};
use crate::error::{SystemError, Usage};
use crate::ssh::{DENIED, Session, SshError};
use crate::sys::child::{ending_with_us, exit_code};
use crate::vm::{self, Registry};
use serde::Serialize;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::pin::pin;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// The result of a tool, for `--json`.
#[derive(Serialize)]
struct Output {
    exit_code: u8,
    stdout: String,
    stderr: String,
}

pub async fn run(context: &Context, words: &[OsString]) -> Result<ExitCode, Error> {
    let Some((vm, args)) = words.split_first() else {
        return Err(Usage { message: "no VM is given".to_owned(), hint: None }.into());
    };
    if vm.as_bytes().starts_with(b"-") {
        return Err(misplaced(context, words).into());
    }
    let (config, instance) = context.find(&vm.to_string_lossy())?;
    let session = open(context, &config, &instance).await?;
    in_guest(context, session.ssh(args), &instance).await
}

/// The error for ssh's options before the VM's name, where ssh itself accepts them.
fn misplaced(context: &Context, words: &[OsString]) -> Usage {
    let config = context.load().ok();
    let registry = config.as_ref().map(Registry::of);
    let is_vm = |word: &OsString| {
        registry.as_ref().is_some_and(|registry| registry.get(&word.to_string_lossy()).is_ok())
    };
    let (before, rest) = words.split_at(words.iter().position(is_vm).unwrap_or(words.len()));
    let (vm, after) =
        rest.split_first().map_or(("VM".into(), rest), |(vm, after)| (vm.to_string_lossy(), after));
    let args = before.iter().chain(after).map(|word| word.as_bytes());
    let args = shlex::bytes::try_join(args).unwrap_or_default();
    Usage {
        message: "options for ssh come after the VM's name".to_owned(),
        hint: Some(format!("qqmgr ssh {vm} {}", String::from_utf8_lossy(&args))),
    }
}

/// How long a guest that seems to have panicked may take to prove that it has not.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// Opens a session with the guest; warns if the guest does not run.
///
/// # Errors
/// Those of [`Session::open`], or the guest can't answer.
pub async fn open(
    context: &Context,
    config: &Config,
    instance: &Instance,
) -> Result<Session, Error> {
    let session = Session::open(config, instance).await?;
    let state = vm::current_state(instance).await;
    if let Some(state) = &state
        && let Some(standstill) = state.standstill(&instance.name)
    {
        // The words on the serial port may be those of another kernel.
        let is_over = state.is_over() && !answers(&session).await?;
        if is_over || context.json && !state.is_over() {
            let vm = instance.name.clone();
            return Err(SshError::GuestNotRunning { vm, state: standstill }.into());
        }
        // Without this line, a hang would have no reason.
        output::say(format_args!("{}: {standstill}", instance.name));
    }
    if !context.json {
        unshared(&instance.name, session.unshared());
    }
    Ok(session)
}

/// Whether the guest's SSH server still answers, even if it refuses our keys.
async fn answers(session: &Session) -> Result<bool, Error> {
    let refused = session.log_in_now(LAST_CHANCE).await?;
    Ok(refused.is_none_or(|said| said.contains(DENIED)))
}

/// Prints why the sessions of a VM share no connection, which only makes them slower.
pub fn unshared(vm: &str, reason: Option<&str>) {
    if let Some(reason) = reason {
        output::note(format_args!(
            "note: sessions of VM `{vm}` can't share a connection: {reason}"
        ));
    }
}

/// Runs a tool in the guest at our terminal; with `--json` prints its result.
pub async fn in_guest(
    context: &Context,
    mut tool: Command,
    instance: &Instance,
) -> Result<ExitCode, Error> {
    if !context.json {
        let status = Tool::start(tool, instance)?.ends().await?;
        return Ok(ExitCode::from(exit_code(status)));
    }
    tool.stderr(Stdio::piped());
    let (status, stdout, stderr) = collected(tool, instance).await?;
    report(status, &stdout, &stderr)
}

/// Runs a tool in the guest and collects its standard output, and its standard error if that is
/// piped.
pub async fn collected(
    mut tool: Command,
    instance: &Instance,
) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), Error> {
    tool.stdout(Stdio::piped());
    let mut tool = Tool::start(tool, instance)?;
    let (out, err) = (tool.child.stdout.take(), tool.child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = {
        let reading = async { tokio::join!(read(out, &mut stdout), read(err, &mut stderr)) };
        let (mut ends, mut reading) = (pin!(tool.ends()), pin!(reading));
        tokio::select! {
            status = &mut ends => {
                // The process with the shared connection may also have the pipes, and keep them
                // open.
                let _ = timeout(GRACE, reading).await;
                status?
            }
            _ = &mut reading => ends.await?,
        }
    };
    Ok((status, stdout, stderr))
}

/// The standard output for scp, which shows its progress only if that is a terminal.
pub fn meter() -> Stdio {
    if wants_progress() { io::stderr().into() } else { Stdio::null() }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) {
    if let Some(mut stream) = stream {
        // If a read fails, the bytes so far are kept.
        let _ = stream.read_to_end(bytes).await;
    }
}

/// Replaces this process with the tool, so that terminal, signals and exit code are the tool's own;
/// with `--json` runs it and prints its result.
pub fn pass_through(context: &Context, mut tool: Command) -> Result<ExitCode, Error> {
    let program = tool.get_program().to_string_lossy().into_owned();
    if !context.json {
        return Err(SystemError::Spawn { program, error: tool.exec(), place: None }.into());
    }
    let output = ending_with_us(tool).stdin(Stdio::inherit()).output();
    let output =
        output.map_err(|error| Error::from(SystemError::Spawn { program, error, place: None }))?;
    report(output.status, &output.stdout, &output.stderr)
}

fn report(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Result<ExitCode, Error> {
    tell(exit_code(status), stdout, stderr)
}

/// Prints the result of one or several tools.
pub fn tell(exit_code: u8, stdout: &[u8], stderr: &[u8]) -> Result<ExitCode, Error> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    output::document(&Output { exit_code, stdout: text(stdout), stderr: text(stderr) });
    Ok(ExitCode::from(exit_code))
}
