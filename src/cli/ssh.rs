//! `qqmgr ssh`, and how any of OpenSSH's tools is run: in our place, or for its output.

use super::{Context, output};
use crate::Error;
use crate::child::ending_with_us;
use crate::ssh::Session;
use serde::Serialize;
use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

/// What a tool came to, for `--json`.
#[derive(Serialize)]
struct Output {
    exit_code: u8,
    stdout: String,
    stderr: String,
}

pub fn run(context: &Context, words: &[OsString]) -> Result<ExitCode, Error> {
    let Some((vm, args)) = words.split_first() else {
        return Err(Error::Usage { message: "which VM?".to_owned(), hint: None });
    };
    let config = context.load()?;
    let session = Session::open(&config, &config.instance(&vm.to_string_lossy())?)?;
    pass_through(context, session.ssh(args))
}

/// Becomes the tool, so that terminal, signals and exit code are its own; with `--json` runs it
/// and tells what it came to.
pub fn pass_through(context: &Context, mut tool: Command) -> Result<ExitCode, Error> {
    let program = tool.get_program().to_string_lossy().into_owned();
    if !context.json {
        return Err(Error::Spawn { program, error: tool.exec(), place: None });
    }
    let output = ending_with_us(tool).stdin(Stdio::inherit()).output();
    let output = output.map_err(|error| Error::Spawn { program, error, place: None })?;
    let exit_code = exit_code(output.status);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    output::document(&Output {
        exit_code,
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    });
    Ok(ExitCode::from(exit_code))
}

/// The exit code that a shell would tell of a tool.
pub fn exit_code(status: ExitStatus) -> u8 {
    let killed = || status.signal().map_or(255, |signal| 128 + signal);
    u8::try_from(status.code().unwrap_or_else(killed)).unwrap_or(u8::MAX)
}
