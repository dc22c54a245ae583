//! `qqmgr stop`.

use super::args::life::StopArgs;
use super::many::Targets;
use super::{Context, output};
use crate::config::{self, Config, Instance};
use crate::vm::{self, By, From, Method, Stopped};
use crate::{Error, ssh};
use std::fmt;
use std::process::ExitCode;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(pid), Some(method)) = (self.pid, self.method) else {
            return write!(f, "{}: is not running", self.name);
        };
        let how = match method {
            Method::Powerdown => "the guest powered down",
            Method::Quit => "QMP quit",
            Method::Sigterm => "SIGTERM",
            Method::Sigkill => "SIGKILL",
        };
        write!(f, "{}: stopped (pid {pid}) after {:.1}s: {how}", self.name, self.seconds)
    }
}

pub async fn run(context: &Context, args: StopArgs) -> Result<ExitCode, Error> {
    let from = if args.force { From::Quit } else { From::Powerdown(args.timeout) };
    each(context, &args.vms, args.all, from, By::Stop).await
}

/// Stops the VMs of these names, or all of them. A config that is wrong is no reason not to: then
/// the runtime directory tells which there are.
pub async fn each(
    context: &Context,
    names: &[String],
    all: bool,
    from: From,
    by: By,
) -> Result<ExitCode, Error> {
    use config::Error::{Invalid, NoSuchVm, Unreadable};
    let (config, wrong) = match context.load() {
        Err(Error::Config(wrong @ (Invalid { .. } | Unreadable { .. }))) => {
            (Config::unread(context.config.as_deref())?, Some(Error::Config(wrong)))
        }
        result => (result?, None),
    };
    let every = || [config.instances(), vm::running_strays(&config)].concat();
    let known = if wrong.is_some() { vm::strays(&config) } else { Vec::new() };
    let find = |name: &str| match known.iter().find(|instance| instance.name == name) {
        Some(instance) => Ok(instance.clone()),
        None => vm::find(&config, name),
    };
    let (targets, wrong) = match (Targets::new(names, all.then(every), find), wrong) {
        // Only the file can tell whether there is such a VM.
        (Err(Error::Config(NoSuchVm { .. })), Some(wrong)) => return Err(wrong),
        (targets, wrong) => (targets?, wrong),
    };
    if let (Some(wrong), false) = (&wrong, context.json) {
        output::warning(wrong);
    }
    let note = wrong.map(|wrong| format!("the config was not read: {wrong}"));
    let stop = async |instance: &_| {
        let mut stopped = one(context, instance, from, by).await?;
        stopped.notes.extend(note.clone());
        Ok(stopped)
    };
    targets.each(context, stop).await
}

/// Stops one VM and the connection that its SSH sessions share.
async fn one(context: &Context, instance: &Instance, from: From, by: By) -> Result<Stopped, Error> {
    let stopped = vm::stop(instance, from, by).await?;
    ssh::close(instance).await?;
    notes(context, &stopped);
    Ok(stopped)
}

/// Tells what went wrong on the way.
pub fn notes(context: &Context, stopped: &Stopped) {
    if !context.json {
        for note in &stopped.notes {
            output::note(format_args!("{}: {note}", stopped.name));
        }
    }
}
