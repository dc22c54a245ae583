//! `qqmgr put` and `qqmgr get`.

use super::{Context, ssh, stdout};
use crate::Error;
use crate::child::ending_with_us;
use crate::ssh::{STREAM, Session, get as get_command, put as put_command};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};

pub fn put(context: &Context, vm: &str, paths: &[OsString]) -> Result<ExitCode, Error> {
    let session = open(context, vm)?;
    ssh::pass_through(context, put_command(&session, paths)?)
}

pub fn get(context: &Context, vm: &str, paths: &[OsString]) -> Result<ExitCode, Error> {
    let session = open(context, vm)?;
    let tool = get_command(&session, paths)?;
    let is_stream = paths.last().is_some_and(|target| target == STREAM);
    if is_stream && !context.json { streamed(tool) } else { ssh::pass_through(context, tool) }
}

/// Writes what ssh receives, as ssh itself does not tell of a disk that is full; that fails at the
/// end of all, as with every verb.
fn streamed(tool: Command) -> Result<ExitCode, Error> {
    let program = tool.get_program().to_string_lossy().into_owned();
    let failed = |error| Error::Spawn { program, error, place: None };
    let copied = || -> io::Result<ExitCode> {
        let mut child = ending_with_us(tool).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let received = child.stdout.take().map(|mut stream| io::copy(&mut stream, &mut output));
        if let Some(Err(error)) = received {
            stdout::failed(error);
            child.kill()?;
            child.wait()?;
            return Ok(ExitCode::SUCCESS);
        }
        Ok(ExitCode::from(ssh::exit_code(child.wait()?)))
    };
    copied().map_err(failed)
}

fn open(context: &Context, vm: &str) -> Result<Session, Error> {
    let config = context.load()?;
    Session::open(&config, &config.instance(vm)?)
}
