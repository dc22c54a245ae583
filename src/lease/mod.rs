//! VMs that end by themselves: after a time, with a process, or with the command that runs in
//! them. A keeper, a process of its own for each such VM and for no other, sees to it.
//!
//! A keeper and whoever asked for it are joined by a pipe. Its end tells the keeper that the other
//! is done or dead, and from then on the VM is the keeper's; until then it is the other's.

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

/// Says where the `qqmgr` program is that a program which uses this library has keep its leases;
/// else it is looked for in `$PATH`.
pub fn keeper_is(qqmgr: &Path) {
    helper::program_is(qqmgr);
}

/// The name under which a keeper is executed.
pub const KEEPER: &str = "qqmgr-keeper";

/// How long the guest has to power down when its lease is over.
const POWERDOWN: Duration = Duration::from_secs(20);

/// What it locks.
const LOCK: &str = "keeper.lock";

/// What a keeper says when it has what it is to keep.
const READY: &[u8] = b"ready\n";

/// What a keeper is there for: the first line that it is told.
#[derive(Debug, Serialize, Deserialize)]
struct Role {
    instance: Instance,
    /// None for a throwaway instance, which is to end with the command that runs in it.
    lease: Option<Lease>,
}

/// What a keeper is told before the pipe ends, unless whoever asked for it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Word {
    /// There is nothing to keep.
    Drop,
    /// The lease is for this process.
    Keep { pid: u32 },
    /// The throwaway instance is to stay until somebody stops it.
    Stay,
}

/// Whether a keeper that lives has the VM.
///
/// # Errors
/// Its lock can't be asked.
pub fn is_kept(dir: &VmDir) -> Result<bool, Error> {
    Ok(holder(dir)?.is_some())
}

/// Stops a VM that should have ended, unless another process has taken the place of this one.
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
