//! `qqmgr gc`.

use super::{Context, output, stop};
use crate::Error;
use crate::config::{Config, Instance};
use crate::lease;
use crate::vm::{self, From, Lease, VmDir};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

/// What was done.
#[derive(Default, Serialize)]
struct Report {
    /// VMs that had outlived their lease.
    stopped: Vec<String>,
    /// Directories that dead instances had left.
    removed: Vec<String>,
    /// VMs that run though the config has them no more.
    unconfigured: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        write!(f, "stopped: {}\nremoved: {}", or_none(&self.stopped), or_none(&self.removed))?;
        match self.unconfigured.as_slice() {
            [] => Ok(()),
            names => write!(f, "\nnot in the config, but running: {}", names.join(", ")),
        }
    }
}

pub async fn run(context: &Context) -> Result<ExitCode, Error> {
    let config: Config = context.load()?;
    let mut report = Report::default();
    for instance in [config.instances(), vm::strays(&config)].concat() {
        collect(context, &instance, &mut report).await?;
    }
    let left = vm::running_strays(&config).into_iter().map(|stray| stray.name);
    report.unconfigured = left.collect();
    output::report(&report, context.json);
    Ok(ExitCode::SUCCESS)
}

/// Ends what nobody keeps and should have ended.
async fn collect(context: &Context, instance: &Instance, report: &mut Report) -> Result<(), Error> {
    let Some(dir) = VmDir::open(instance)? else {
        return Ok(());
    };
    if lease::is_kept(&dir)? {
        return Ok(());
    }
    let process = dir.process()?;
    if instance.is_run() {
        if stop::one(context, instance, From::Sigkill).await?.pid.is_some() {
            report.stopped.push(instance.name.clone());
        }
        dir.remove_all()?;
        report.removed.push(instance.name.clone());
    } else if let Some(process) = process
        && Lease::of(&dir, process.pid()).is_some_and(|lease| lease.is_over())
    {
        let stopped = lease::end(&process, instance).await?;
        stop::notes(context, &stopped);
        report.stopped.extend(stopped.pid.map(|_| instance.name.clone()));
    }
    Ok(())
}
