//! Ending and removing what should have ended, where whoever was to see to it was killed.

use crate::config::{Config, Instance, Kind};
use crate::sys::process::Process;
use crate::vm::{Lease, Registry, Stopped, VmDir};
use crate::{Error, lease};
use std::time::Duration;
use tokio::time::Instant;

/// How long others may take to make or remove a throwaway instance.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was done.
#[derive(Debug, Default)]
pub struct Collected {
    /// VMs that had outlived their lease.
    pub stopped: Vec<Stopped>,
    /// Throwaway instances that the dead had left.
    pub removed: Vec<String>,
    /// VMs that run though the config no longer defines them.
    pub unconfigured: Vec<String>,
    /// VMs that this could not be done for.
    pub failed: Vec<(String, Error)>,
}

/// Ends the VMs that have outlived their lease, and removes what dead throwaway instances left.
///
/// # Errors
/// It can't be told which VMs there are. What fails with one of them is in what is returned.
pub async fn gc(config: &Config) -> Result<Collected, Error> {
    let mut done = Collected::default();
    let registry = Registry::of(config);
    for instance in registry.all()? {
        if let Err(error) = collect(&instance, &mut done).await {
            done.failed.push((instance.name, error));
        }
    }
    let strays = registry.all()?.into_iter().filter(|instance| instance.kind == Kind::Stray);
    done.unconfigured = strays.map(|stray| stray.name).collect();
    Ok(done)
}

/// Ends what nobody keeps and should have ended.
async fn collect(instance: &Instance, done: &mut Collected) -> Result<(), Error> {
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
        Ok::<_, Error>(instance.is_run() || lease()?.is_some_and(|lease| lease.is_over()))
    };
    if let Some(process) = dir.settled_process().await?
        && should_end(&process)?
    {
        let stopped = lease::end(&process, instance).await?;
        if stopped.pid.is_some() {
            done.stopped.push(stopped);
        }
    }
    if instance.is_run() {
        dir.remove_all()?;
        done.removed.push(instance.name.clone());
    }
    Ok(())
}
