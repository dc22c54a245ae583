//! `qqmgr gc`.

use super::{Context, output, stop};
use crate::Error;
use crate::config::{Config, Instance};
use crate::lease::Lease;
use crate::vm::{From, VmDir};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

/// What was done.
#[derive(Default, Serialize)]
struct Report {
    /// VMs that had outlived their lease.
    stopped: Vec<String>,
    /// Directories that dead instances had left.
    removed: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        write!(f, "stopped: {}\nremoved: {}", or_none(&self.stopped), or_none(&self.removed))
    }
}

pub async fn run(context: &Context) -> Result<ExitCode, Error> {
    let config: Config = context.load()?;
    let mut report = Report::default();
    for instance in config.instances() {
        collect(context, &instance, &mut report).await?;
    }
    output::report(&report, context.json);
    Ok(ExitCode::SUCCESS)
}

/// Ends what nobody keeps and should have ended.
async fn collect(context: &Context, instance: &Instance, report: &mut Report) -> Result<(), Error> {
    let Some(dir) = VmDir::open(instance)? else {
        return Ok(());
    };
    let process = dir.process()?;
    let lease = match Lease::read(&dir) {
        Some(lease) if lease.is_over(process.as_ref().map(|process| process.pid())) => lease,
        None if instance.is_run() => Lease { throwaway: true, ..Lease::default() },
        _ => return Ok(()),
    };
    if Lease::is_kept(&dir)? {
        return Ok(());
    }
    let from =
        if lease.throwaway { From::Sigkill } else { From::Powerdown(Duration::from_secs(20)) };
    if stop::one(context, instance, from).await?.pid.is_some() {
        report.stopped.push(instance.name.clone());
    }
    if lease.throwaway {
        dir.remove_all()?;
        report.removed.push(instance.name.clone());
    }
    Ok(())
}
