//! `qqmgr restart`.

use super::args::life::RestartArgs;
use super::many::Targets;
use super::start::tell;
use super::{Context, output};
use crate::Error;
use crate::config::Instance;
use crate::ops::{self, Reset, Restart};
use crate::vm::{Registry, Stopped};
use crate::wait::Condition;
use std::fmt;
use std::process::ExitCode;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: reset (pid {})", self.name, self.pid)?;
        match self.held.as_slice() {
            [] => Ok(()),
            held => write!(f, "; after {:.1}s: {}", self.seconds, held.join(", ")),
        }
    }
}

pub async fn run(context: &Context, args: RestartArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let conditions = if args.wait { vec![Condition::Ssh] } else { Vec::new() };
    // `--` alone means no arguments; without `--`, those of the last start are kept.
    let is_said = std::env::args_os().any(|arg| arg == "--");
    let extra = is_said.then_some(args.extra);
    let restart = Restart { extra, conditions, timeout: args.timeout };
    if args.reset {
        let targets = Targets::existing(&Registry::of(&config), &args.vms)?;
        let reset = async |instance: &Instance| ops::reset(&config, instance, &restart).await;
        return targets.each(context, reset).await;
    }
    let tell = |stopped: &Stopped, started: &_| {
        if !context.json {
            output::note(stopped);
            tell(started);
        }
    };
    let again = async |instance: &Instance| ops::restart(&config, instance, &restart, &tell).await;
    Targets::startable(&config, &args.vms)?.each(context, again).await
}
