//! `qqmgr pause` and `qqmgr resume`.

use super::args::Controlled;
use super::{Context, many};
use crate::Error;
use crate::ops::{self, Moved};
use crate::target::Target;
use std::fmt;
use std::process::ExitCode;

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moved { name, state, was } = self;
        match state == was {
            true => write!(f, "{name}: is already {state}"),
            false if state == "running" => write!(f, "{name}: resumed; it was {was}"),
            false => write!(f, "{name}: {state}"),
        }
    }
}

pub async fn pause(context: &Context, args: &Controlled) -> Result<ExitCode, Error> {
    many::control(context, args, async |target: &Target| ops::pause(target).await).await
}

pub async fn resume(context: &Context, args: &Controlled) -> Result<ExitCode, Error> {
    many::control(context, args, async |target: &Target| ops::resume(target).await).await
}
