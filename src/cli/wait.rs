//! `qqmgr wait`.

use super::args::guest::WaitArgs;
use super::{Context, output};
use crate::Error;
use crate::config::Instance;
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
    let (config, instance) = context.find(&args.vm)?;
    let plan = Plan {
        conditions: args.conditions,
        any: args.any,
        fail_on: args.fail_on,
        since_start: args.since_start,
        timeout: args.timeout,
        since: Instant::now(),
    };
    let told = !context.json && is_news(&plan.conditions);
    let waited = tokio::select! {
        waited = wait::wait(&config, &instance, &plan) => waited?,
        never = tell_standstill(&instance), if told => match never {},
    };
    output::report(&waited, context.json);
    Ok(ExitCode::SUCCESS)
}

/// Whether that the guest stands still is news to who waits for these: it needs the guest, and is
/// not about its standing still.
fn is_news(conditions: &[Condition]) -> bool {
    let state = |condition: &_| matches!(condition, Condition::Running | Condition::Paused);
    conditions.iter().any(Condition::needs_guest) && !conditions.iter().any(state)
}

/// Says at once that the guest stands still, if it does: it may be long until the waiting is over.
async fn tell_standstill(instance: &Instance) -> Infallible {
    output::standstill(instance).await;
    std::future::pending().await
}
