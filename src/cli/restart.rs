//! `qqmgr restart`.

use super::args::life::RestartArgs;
use super::start::tell;
use super::{Context, output};
use crate::Error;
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
    let registry = Registry::of(&config);
    let conditions = if args.wait { vec![Condition::Ssh] } else { Vec::new() };
    let restart = Restart { conditions, timeout: args.timeout };
    if args.reset {
        let instance = registry.get(&args.vm)?;
        output::report(&ops::reset(&config, &instance, &restart).await?, context.json);
        return Ok(ExitCode::SUCCESS);
    }
    let instance = registry.startable(&args.vm)?;
    let tell = |stopped: &Stopped, started: &_| {
        if !context.json {
            output::note(stopped);
            tell(started);
        }
    };
    output::report(&ops::restart(&config, &instance, &restart, tell).await?, context.json);
    Ok(ExitCode::SUCCESS)
}
