//! `qqmgr kill`.

use super::args::life::KillArgs;
use super::{Context, stop};
use crate::Error;
use crate::vm::{By, From};
use std::process::ExitCode;

pub async fn run(context: &Context, args: KillArgs) -> Result<ExitCode, Error> {
    stop::each(context, &args.vms, From::Sigkill, By::Kill).await
}
