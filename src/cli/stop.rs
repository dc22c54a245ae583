//! `qqmgr stop`.

use super::args::life::StopArgs;
use super::many::Targets;
use super::{Context, output};
use crate::config::Instance;
use crate::vm::{self, From, Method, Stopped};
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
    let config = context.load()?;
    let all = || [config.instances(), vm::running_strays(&config)].concat();
    let find = |name: &str| vm::find(&config, name);
    let targets = Targets::new(&args.vms, args.all.then(all), find)?;
    let from = if args.force { From::Quit } else { From::Powerdown(args.timeout) };
    targets.each(context, async |instance: &_| one(context, instance, from).await).await
}

/// Stops one VM and the connection that its SSH sessions share.
pub async fn one(context: &Context, instance: &Instance, from: From) -> Result<Stopped, Error> {
    let stopped = vm::stop(instance, from).await?;
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
