//! `qqmgr put` and `qqmgr get`.

use super::args::guest::{GetArgs, PutArgs};
use super::links::Copying;
use super::ssh::meter;
use super::supervise::Tool;
use super::{Context, ssh, stdout};
use crate::Error;
use crate::config::{Config, Instance};
use crate::error::Usage;
use crate::ssh::{STREAM, get as get_command, put as put_command};
use crate::sys::child::exit_code;
use crate::text::quote::quote;
use crate::vm::Registry;
use std::ffi::{OsStr, OsString};
use std::iter;
use std::process::{Command, ExitCode, Stdio};

pub async fn put(context: &Context, args: &PutArgs) -> Result<ExitCode, Error> {
    let PutArgs { vm, paths, links } = args;
    let (config, instance) = find(context, "put", vm, paths)?;
    let session = ssh::open(context, &config, &instance).await?;
    if *links {
        return Copying::new(context, &session, &instance)?.put(paths).await;
    }
    let mut tool = put_command(&session, paths)?;
    if paths.iter().all(|path| path != STREAM) {
        tool.stdout(meter());
    }
    ssh::in_guest(context, tool, &instance).await
}

pub async fn get(context: &Context, args: &GetArgs) -> Result<ExitCode, Error> {
    let GetArgs { vm, paths, links } = args;
    let (config, instance) = find(context, "get", vm, paths)?;
    let session = ssh::open(context, &config, &instance).await?;
    if *links {
        return Copying::new(context, &session, &instance)?.get(paths).await;
    }
    let mut tool = get_command(&session, paths)?;
    let is_stream = paths.last().is_some_and(|target| target == STREAM);
    if is_stream && !context.json {
        return streamed(tool, &instance).await;
    }
    if !is_stream {
        tool.stdout(meter());
    }
    ssh::in_guest(context, tool, &instance).await
}

/// The config and the VM. If the arguments are wrong and one has scp's form `VM:PATH`, the error
/// explains ours.
fn find(
    context: &Context,
    verb: &str,
    vm: &str,
    paths: &[OsString],
) -> Result<(Config, Instance), Error> {
    let config = context.load()?;
    let registry = Registry::of(&config);
    let instance = registry.get(vm);
    if instance.is_err() || paths.len() < 2 {
        let words: Vec<_> =
            iter::once(OsStr::new(vm)).chain(paths.iter().map(|path| &**path)).collect();
        if let Some(usage) = scp_form(registry, verb, &words) {
            return Err(usage.into());
        }
    }
    let instance = instance?;
    match paths.len() {
        0 | 1 => Err(Usage {
            message: "two paths are needed: what to copy, and where to".to_owned(),
            hint: None,
        }
        .into()),
        _ => Ok((config, instance)),
    }
}

/// The error for words in scp's form `VM:PATH`, if there are any.
fn scp_form(registry: Registry<'_>, verb: &str, words: &[&OsStr]) -> Option<Usage> {
    let parts = |word: &OsStr| {
        let (vm, path) = word.to_str()?.split_once(':')?;
        registry.get(vm).ok()?;
        Some((vm.to_owned(), if path.is_empty() { "." } else { path }.to_owned()))
    };
    let (word, (vm, _)) = words.iter().find_map(|word| Some((word, parts(word)?)))?;
    let path = |word: &&OsStr| match parts(word) {
        Some((of, path)) if of == vm => quote(&path),
        _ => quote(&word.to_string_lossy()),
    };
    let mut line = vec!["qqmgr".to_owned(), verb.to_owned(), vm.clone()];
    line.extend(words.iter().map(path));
    let message = format!("`{}` is scp's form; qqmgr takes the VM's name first", word.display());
    Some(Usage { message, hint: Some(line.join(" ")) })
}

/// Writes what ssh receives, since ssh itself does not report a full disk. Such a failure is
/// reported at the end, as in every verb.
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
        // After a failed write, the rest is not needed.
        (Err(error), _) => {
            stdout::failed(error);
            Ok(ExitCode::SUCCESS)
        }
    }
}
