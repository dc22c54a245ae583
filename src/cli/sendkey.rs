//! `qqmgr sendkey`.

use super::args::drive::SendkeyArgs;
use super::{Context, output};
use crate::Error;
use crate::ops::{Sent, send_keys};
use std::fmt;
use std::process::ExitCode;

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sent { name, pressed } = self;
        let keys = if *pressed == 1 { "key" } else { "keys" };
        write!(f, "{name}: pressed {pressed} {keys}")
    }
}

pub async fn run(context: &Context, args: SendkeyArgs) -> Result<ExitCode, Error> {
    let target = context.target(&args.target)?;
    output::report(&send_keys(&target, &args.keys, args.hold).await?, context.json);
    Ok(ExitCode::SUCCESS)
}
