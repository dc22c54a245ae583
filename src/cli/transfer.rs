//! `qqmgr put` and `qqmgr get`.

use super::supervise::Tool;
use super::{Context, ssh, stdout};
use crate::Error;
use crate::config::Instance;
use crate::ssh::{STREAM, get as get_command, put as put_command};
use crate::sys::child::exit_code;
use std::ffi::OsString;
use std::process::{Command, ExitCode, Stdio};

pub async fn put(context: &Context, vm: &str, paths: &[OsString]) -> Result<ExitCode, Error> {
    let (config, instance) = context.find(vm)?;
    let session = ssh::open(context, &config, &instance).await?;
    ssh::in_guest(context, put_command(&session, paths)?, &instance).await
}

pub async fn get(context: &Context, vm: &str, paths: &[OsString]) -> Result<ExitCode, Error> {
    let (config, instance) = context.find(vm)?;
    let session = ssh::open(context, &config, &instance).await?;
    let tool = get_command(&session, paths)?;
    let is_stream = paths.last().is_some_and(|target| target == STREAM);
    match is_stream && !context.json {
        true => streamed(tool, &instance).await,
        false => ssh::in_guest(context, tool, &instance).await,
    }
}

/// Writes what ssh receives, as ssh itself does not tell of a disk that is full; that fails at the
/// end of all, as with every verb.
async fn streamed(mut tool: Command, instance: &Instance) -> Result<ExitCode, Error> {
    tool.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut tool = Tool::start(tool, instance)?;
    let received = tool.child.stdout.take();
    let written = async {
        match received {
            Some(mut received) => {
                tokio::io::copy(&mut received, &mut stdout::Waiting::default()).await
            }
            None => Ok(0),
        }
    };
    let (mut written, mut ends) = (std::pin::pin!(written), std::pin::pin!(tool.ends()));
    let mut status = None;
    let written = loop {
        tokio::select! {
            biased;
            written = &mut written => break written,
            ended = &mut ends, if status.is_none() => status = Some(ended?),
        }
    };
    match (written, status) {
        (Ok(_), Some(status)) => Ok(ExitCode::from(exit_code(status))),
        (Ok(_), None) => Ok(ExitCode::from(exit_code(ends.await?))),
        // What can't be written need not come any more.
        (Err(error), _) => {
            stdout::failed(error);
            Ok(ExitCode::SUCCESS)
        }
    }
}
