//! `qqmgr eject` and `qqmgr insert`.

use super::args::drive::{EjectArgs, InsertArgs};
use super::{Context, output};
use crate::Error;
use crate::ops::{self, Changed, NewMedium};
use crate::text::sanitize::harmless;
use std::fmt;
use std::process::ExitCode;

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Changed { name, device, file, was } = self;
        let [file, was] = [file, was].map(|file| Some(harmless(file.as_ref()?.as_bytes())));
        match (file, was) {
            (Some(file), _) => write!(f, "{name}: {device}: inserted {file}"),
            (None, Some(was)) => write!(f, "{name}: {device}: ejected {was}"),
            (None, None) => write!(f, "{name}: {device}: is already empty"),
        }
    }
}

pub async fn eject(context: &Context, args: &EjectArgs) -> Result<ExitCode, Error> {
    let target = context.target(&args.target)?;
    let changed = ops::eject(&target, &args.device, args.force).await?;
    output::report(&changed, context.json);
    Ok(ExitCode::SUCCESS)
}

pub async fn insert(context: &Context, args: InsertArgs) -> Result<ExitCode, Error> {
    let target = context.target(&args.target)?;
    let medium = NewMedium { file: args.file, format: args.format };
    let changed = ops::insert(&target, &args.device, &medium, args.force).await?;
    output::report(&changed, context.json);
    Ok(ExitCode::SUCCESS)
}
