//! `qqmgr gc`.

use super::{Context, output, stop};
use crate::Error;
use crate::config::{Config, Instance};
use crate::lease;
use crate::sys::process::Process;
use crate::vm::{self, Lease, VmDir};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// How long others may take to make or remove a throwaway instance.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was done.
#[derive(Default, Serialize)]
struct Report {
    /// VMs that had outlived their lease.
    stopped: Vec<String>,
    /// Directories that dead instances had left.
    removed: Vec<String>,
    /// VMs that run though the config has them no more.
    unconfigured: Vec<String>,
    /// VMs that this could not be done for, each with its error.
    failed: Vec<Value>,
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
    let mut worst = 0;
    for instance in [config.instances(), vm::strays(&config)].concat() {
        let Err(error) = collect(context, &instance, &mut report).await else {
            continue;
        };
        worst = worst.max(error.exit_code());
        if context.json {
            let error = output::error_document(&error);
            report.failed.push(json!({ "name": instance.name, "error": error }));
        } else {
            output::error_of(&instance.name, &error);
        }
    }
    let left = vm::running_strays(&config).into_iter().map(|stray| stray.name);
    report.unconfigured = left.collect();
    output::report(&report, context.json);
    Ok(ExitCode::from(worst))
}

/// Ends what nobody keeps and should have ended.
async fn collect(context: &Context, instance: &Instance, report: &mut Report) -> Result<(), Error> {
    let _lock = match instance.is_run() {
        true => Some(VmDir::lock_runs(instance, Instant::now() + PATIENCE).await?),
        false => None,
    };
    let Some(dir) = VmDir::open(instance)? else {
        return Ok(());
    };
    if lease::is_kept(&dir)? {
        return Ok(());
    }
    let should_end = |process: &Process| {
        let lease = || Lease::of(&dir, process.pid());
        instance.is_run() || lease().is_some_and(|lease| lease.is_over())
    };
    if let Some(process) = dir.settled_process().await?.filter(should_end) {
        let stopped = lease::end(&process, instance).await?;
        stop::notes(context, &stopped);
        report.stopped.extend(stopped.pid.map(|_| instance.name.clone()));
    }
    if instance.is_run() {
        dir.remove_all()?;
        report.removed.push(instance.name.clone());
    }
    Ok(())
}
