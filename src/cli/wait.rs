//! `qqmgr wait`.

use super::args::guest::WaitArgs;
use super::many::Targets;
use super::{Context, output};
use crate::Error;
use crate::config::Instance;
use crate::vm::Registry;
use crate::wait::{self, Condition, Plan, Waited};
use std::convert::Infallible;
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
    let targets = match args.vms.all {
        true => Targets::startable(&config, &args.vms)?,
        false => Targets::existing(&Registry::of(&config), &args.vms)?,
    };
    let plan = Plan {
        conditions: args.conditions,
        any: args.any,
        fail_on: args.fail_on,
        since_start: args.since_start,
        timeout: args.timeout,
        since: Instant::now(),
    };
    let told = !context.json && is_news(&plan.conditions);
    let wait = async |instance: &Instance| {
        tokio::select! {
            // The result may be known at once: then no note is printed.
            biased;
            waited = wait::wait(&config, instance, &plan) => waited,
            never = tell_standstill(instance), if told => match never {},
        }
    };
    targets.each(context, wait).await
}

/// Whether a stopped guest is worth a warning: the conditions need a running guest, and none of
/// them is about the run state.
fn is_news(conditions: &[Condition]) -> bool {
    let state = |condition: &_| matches!(condition, Condition::Running | Condition::Paused);
    conditions.iter().any(Condition::needs_guest) && !conditions.iter().any(state)
}

/// Warns at once if the guest does not run: the wait may be long.
async fn tell_standstill(instance: &Instance) -> Infallible {
    output::standstill(instance).await;
    std::future::pending().await
}
