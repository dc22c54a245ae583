//! `qqmgr restart`.

use super::args::life::RestartArgs;
use super::start::{Waiting, startable, tell};
use super::{Context, output};
use crate::vm::{self, Lease};
use crate::wait::Condition;
use crate::{Error, bundle, lease, ssh};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;
use tokio::time::Instant;

#[derive(Serialize)]
struct Reset {
    name: String,
    pid: u32,
    reset: bool,
    /// What was waited for and holds.
    held: Vec<String>,
    seconds: f64,
}

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
    let begun = Instant::now();
    let conditions = if args.wait { vec![Condition::Ssh] } else { Vec::new() };
    let waiting =
        |since| Waiting { conditions, timeout: args.timeout, begun, since, since_start: true };
    if args.reset {
        let instance = config.instance(&args.vm)?;
        let pid = vm::reset(&instance).await?;
        ssh::close(&instance).await?;
        let held = waiting(begun).hold(&config, &instance).await?;
        let (name, seconds) = (instance.name, begun.elapsed().as_secs_f64());
        output::report(&Reset { name, pid, reset: true, held, seconds }, context.json);
        return Ok(ExitCode::SUCCESS);
    }
    let instance = startable(&config, &args.vm)?;
    ssh::close(&instance).await?;
    let lease = Lease::current(&instance)?;
    let restart = vm::restart(&config, &instance, args.timeout);
    let restart = lease::while_starting(&instance, lease, restart, |(_, started)| started);
    let (stopped, started) = match restart.await {
        Ok(restarted) => restarted,
        Err(error) => return Err(bundle::of_start(&config, &instance, error).await),
    };
    if !context.json {
        output::note(&stopped);
        tell(&started);
    }
    // What the guest took to power down is not taken from what it has to come up.
    let waiting = waiting(Instant::now());
    output::report(&waiting.report(&config, &instance, started).await?, context.json);
    Ok(ExitCode::SUCCESS)
}
