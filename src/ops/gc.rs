//! Ends VMs that should have ended, and removes their remains, if their keeper was killed.

use crate::config::{Config, Instance, Kind};
use crate::sys::process::Process;
use crate::vm::{Lease, Registry, Stopped, VmDir, VmError};
use crate::{Error, lease};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// How long another qqmgr may take to make or remove a throwaway instance.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was ended and removed.
#[derive(Debug, Default)]
pub struct Collected {
    /// VMs whose lease was over.
    pub stopped: Vec<Stopped>,
    /// Throwaway instances that a killed keeper left.
    pub removed: Vec<String>,
    /// VMs that are running though the config no longer defines them.
    pub unconfigured: Vec<String>,
    /// The directory in which an earlier qqmgr started VMs, and the VMs that still run there.
    pub earlier: Option<(PathBuf, Vec<String>)>,
    /// VMs for which this failed.
    pub failed: Vec<(String, Error)>,
}

/// Ends VMs whose lease is over, and removes throwaway instances that a killed keeper left.
///
/// # Errors
/// The VMs can't be listed. An error of one VM is in the result.
pub async fn gc(config: &Config) -> Result<Collected, Error> {
    let mut done = Collected::default();
    let registry = Registry::of(config);
    for instance in registry.all()? {
        match collect(&instance, &mut done).await {
            // Only a gc with the other config file ends it.
            Err(error) if matches!(error.get(), Some(VmError::Foreign { .. })) => {}
            Err(error) => done.failed.push((instance.name, error)),
            Ok(()) => {}
        }
    }
    let left = registry.all()?;
    let names = |is_it: &dyn Fn(&Instance) -> bool| -> Vec<_> {
        left.iter().filter(|vm| is_it(vm)).map(|vm| vm.name.clone()).collect()
    };
    done.unconfigured = names(&|vm| vm.kind == Kind::Stray);
    let there = config
        .earlier
        .as_ref()
        .map(|place| (place.clone(), names(&|vm| vm.vm_dir().parent() == Some(place))));
    done.earlier = there.filter(|(_, names)| !names.is_empty());
    Ok(done)
}

/// Ends and removes an instance that no keeper has, if its time is over.
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
