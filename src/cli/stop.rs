//! `qqmgr stop`.

use super::args::Vms;
use super::args::life::StopArgs;
use super::many::Targets;
use super::{Context, output};
use crate::config::{self, Config, Instance};
use crate::vm::{By, From, Method, Registry, Stopped};
use crate::{Error, ops};
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
    each(context, &args.vms, from, By::Stop).await
}

/// Stops the VMs that the user selected. It works even if the config has errors: then the runtime
/// directory lists the VMs.
pub async fn each(context: &Context, vms: &Vms, from: From, by: By) -> Result<ExitCode, Error> {
    use config::Error::{Invalid, NoSuchVm, Unreadable};
    let (config, wrong) = match context.load() {
        Err(error) if matches!(error.get(), Some(Invalid { .. } | Unreadable { .. })) => {
            (Config::unread(context.config.as_deref())?, Some(error))
        }
        result => (result?, None),
    };
    let registry = match wrong {
        Some(_) => Registry::of_unread(&config),
        None => Registry::of(&config),
    };
    let found = Targets::existing(&registry, vms);
    let (targets, wrong) = match (found, wrong) {
        // Only the config file can tell whether this VM exists.
        (Err(error), Some(wrong)) if matches!(error.get(), Some(NoSuchVm { .. })) => {
            return Err(wrong);
        }
        (found, wrong) => (found?, wrong),
    };
    if let (Some(wrong), false) = (&wrong, context.json) {
        output::warning(wrong);
    }
    let note = wrong.map(|wrong| format!("the config was not read: {wrong}"));
    let stop = async |instance: &Instance| {
        let mut stopped = ops::down(instance, from, by).await?;
        notes(context, &stopped);
        stopped.notes.extend(note.clone());
        Ok(stopped)
    };
    targets.each(context, stop).await
}

/// Prints what went wrong during a stop.
pub fn notes(context: &Context, stopped: &Stopped) {
    if !context.json {
        for note in &stopped.notes {
            output::note(format_args!("{}: {note}", stopped.name));
        }
    }
}
