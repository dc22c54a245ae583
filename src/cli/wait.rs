//! `qqmgr wait`.

use super::args::guest::WaitArgs;
use super::{Context, output};
use crate::Error;
use crate::wait::{self, Plan, Waited};
use std::fmt;
use std::process::ExitCode;
use tokio::time::Instant;

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: after {:.1}s: {}", self.name, self.seconds, self.held.join(", "))
    }
}

pub async fn run(context: &Context, args: WaitArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let instance = config.instance(&args.vm)?;
    let plan = Plan {
        conditions: args.conditions,
        any: args.any,
        fail_on: args.fail_on,
        timeout: args.timeout,
        since: Instant::now(),
    };
    output::report(&wait::wait(&config, &instance, &plan).await?, context.json);
    Ok(ExitCode::SUCCESS)
}
