//! `qqmgr kill`.

use super::args::life::KillArgs;
use super::many::Targets;
use super::{Context, stop};
use crate::{Error, vm};
use std::process::ExitCode;

pub async fn run(context: &Context, args: KillArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let targets = Targets::new(&args.vms, None, |name| vm::find(&config, name))?;
    let kill = async |instance: &_| stop::one(context, instance, vm::From::Sigkill).await;
    targets.each(context, kill).await
}
