//! `qqmgr restart`.

use super::args::life::RestartArgs;
use super::start::Request;
use super::{Context, output, stop};
use crate::Error;
use crate::config::Instance;
use crate::vm::{self, From, Launch, StartOptions, VmDir};
use crate::wait::Condition;
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

pub const EXAMPLES: &str = "\
Examples:
  qqmgr restart test-vm --wait         power down, start, wait for SSH
  qqmgr restart test-vm --reset        press the reset button";

#[derive(Serialize)]
struct Reset {
    name: String,
    pid: u32,
    reset: bool,
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: reset (pid {})", self.name, self.pid)
    }
}

pub async fn run(context: &Context, args: RestartArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let instance = config.instance(&args.vm)?;
    if args.reset {
        let pid = vm::reset(&instance).await?;
        output::report(&Reset { name: instance.name, pid, reset: true }, context.json);
        return Ok(ExitCode::SUCCESS);
    }
    let extra = extra(&instance)?;
    let stopped = stop::one(context, &instance, From::Powerdown(args.timeout)).await?;
    if !context.json {
        output::note(&stopped);
    }
    let request = Request {
        options: StartOptions { extra, timeout: args.timeout, die_with_us: false },
        conditions: if args.wait { vec![Condition::Ssh] } else { Vec::new() },
        lease: None,
    };
    output::report(&request.start(&config, &instance).await?, context.json);
    Ok(ExitCode::SUCCESS)
}

/// What the VM was started with beyond its config.
fn extra(instance: &Instance) -> Result<Vec<String>, Error> {
    let launch = VmDir::open(instance)?.as_ref().and_then(Launch::read);
    Ok(launch.map(|launch| launch.extra).unwrap_or_default())
}
