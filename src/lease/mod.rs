//! VMs that end by themselves: after a time, with a process, or with the command that runs in them.
//! Each of these VMs has a keeper, a process of its own, that ends it.
//!
//! A pipe connects a keeper and the process that started it. When the pipe ends, that process is
//! done or dead, and the keeper takes over the VM.

mod keep;
mod keeper;

pub use keep::{keep, take_off};
pub use keeper::{Keeper, while_starting};

use crate::config::Instance;
use crate::error::cant;
use crate::sys::helper;
use crate::sys::process::Process;
use crate::vm::{self, By, From, Lease, Stopped, VmDir};
use crate::{Error, ssh};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Sets the path of the `qqmgr` program, which a program that uses this library runs as keeper.
/// Without it, `$PATH` is searched.
pub fn keeper_is(qqmgr: &Path) {
    helper::program_is(qqmgr);
}

/// The name of a keeper process.
pub const KEEPER: &str = "qqmgr-keeper";

/// How long the guest may take to power down after its lease is over.
const POWERDOWN: Duration = Duration::from_secs(20);

/// The lock file of a keeper.
const LOCK: &str = "keeper.lock";

/// A keeper's answer when it has its task.
const READY: &[u8] = b"ready\n";

/// A keeper's task: the first line that it reads.
#[derive(Debug, Serialize, Deserialize)]
struct Role {
    instance: Instance,
    /// None for a throwaway instance, which ends with the command that runs in it.
    lease: Option<Lease>,
}

/// What a keeper reads before the pipe ends, unless the process that started it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Word {
    /// There is nothing to keep.
    Drop,
    /// The lease is for this process.
    Keep { pid: u32 },
    /// The throwaway instance stays until a user stops it.
    Stay,
}

/// Whether a running keeper has the VM.
///
/// # Errors
/// Its lock can't be queried.
pub fn is_kept(dir: &VmDir) -> Result<bool, Error> {
    Ok(holder(dir)?.is_some())
}

/// Stops a VM whose time is over, unless the VM has another process by now.
///
/// # Errors
/// Those of [`vm::stop_only`].
pub async fn end(process: &Process, instance: &Instance) -> Result<Stopped, Error> {
    let from = if instance.is_run() { From::Sigkill } else { From::Powerdown(POWERDOWN) };
    let stopped = vm::stop_only(process, instance, from, By::Lease).await?;
    if stopped.pid.is_some() {
        ssh::close(instance).await?;
    }
    Ok(stopped)
}

fn holder(dir: &VmDir) -> Result<Option<Process>, Error> {
    let path = dir.file(LOCK);
    Process::holding(&path).map_err(cant("read", &path))
}
