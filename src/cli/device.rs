//! `qqmgr device`.

use super::args::drive::{DeviceAction, DeviceArgs};
use super::{Context, output, table};
use crate::Error;
use crate::error::Usage;
use crate::ops::{self, Device, DeviceChange};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

#[derive(Serialize)]
#[serde(transparent)]
struct Devices(Vec<Device>);

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["ID", "DRIVER"].map(str::to_owned)];
        rows.extend(self.0.iter().map(|device| [device.id.clone(), device.driver.clone()]));
        table::write(f, &rows, &[])
    }
}

impl fmt::Display for DeviceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeviceChange { name, id, driver, present } = self;
        write!(f, "{name}: {} {id} ({driver})", if *present { "added" } else { "removed" })
    }
}

pub async fn run(context: &Context, args: &DeviceArgs) -> Result<ExitCode, Error> {
    let target = context.target(&args.target)?;
    match (args.action, args.words.as_slice()) {
        (DeviceAction::List, []) => {
            output::report(&Devices(ops::devices(&target).await?), context.json);
        }
        (DeviceAction::Add, words) => {
            output::report(&ops::add_device(&target, words).await?, context.json);
        }
        (DeviceAction::Rm, [id]) => {
            let removed = ops::remove_device(&target, id, args.timeout).await?;
            output::report(&removed, context.json);
        }
        (DeviceAction::List, _) => {
            return Err(usage("`device list` takes only a target", "list", &args.target));
        }
        (DeviceAction::Rm, _) => {
            return Err(usage("`device rm` takes one id", "rm", &format!("{} ID", args.target)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn usage(message: &str, action: &str, rest: &str) -> Error {
    let hint = Some(format!("write: qqmgr device {action} {rest}"));
    Usage { message: message.to_owned(), hint }.into()
}
