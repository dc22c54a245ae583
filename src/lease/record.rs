//! The record of a lease, so that it can be enforced even if its keeper is killed.

use crate::Error;
use crate::process::{self, Process};
use crate::vm::VmDir;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The record's name in the VM's directory. Its keeper holds a POSIX lock on it while it lives.
pub const FILE: &str = "lease.json";

/// When a VM is to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// At this time, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// When this process is gone.
    pub owner: Option<Owner>,
    /// With its keeper, and its directory too.
    pub throwaway: bool,
    /// The VM's process that the lease is for, unless it is throwaway.
    pub vm: Option<Owner>,
}

/// A process that can't be taken for a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its pid.
    pub pid: u32,
    /// When it was started, in clock ticks since boot.
    pub started: u64,
}

impl Owner {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Owner> {
        process::start_ticks(pid).map(|started| Owner { pid, started })
    }

    /// Whether it still lives.
    pub fn lives(&self) -> bool {
        Owner::of(self.pid) == Some(*self)
    }
}

impl Lease {
    /// The record in a VM's directory.
    pub fn read(dir: &VmDir) -> Option<Lease> {
        serde_json::from_slice(&std::fs::read(dir.file(FILE)).ok()?).ok()
    }

    /// Writes the record and locks it in the name of this process, until the file is closed.
    ///
    /// # Errors
    /// It can't be written, or another keeper has it.
    pub fn hold(&self, dir: &VmDir) -> Result<File, Error> {
        let mut file = dir.begin_log(FILE)?;
        let write = || -> io::Result<File> {
            rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)?;
            serde_json::to_writer(&mut file, self)?;
            file.flush()?;
            Ok(file)
        };
        write().map_err(|error| Error::File { action: "write", path: dir.file(FILE), error })
    }

    /// Whether a keeper that lives has the record.
    ///
    /// # Errors
    /// The record can't be read.
    pub fn is_kept(dir: &VmDir) -> Result<bool, Error> {
        let path = dir.file(FILE);
        let keeper = Process::holding(&path);
        Ok(keeper.map_err(|error| Error::File { action: "read", path, error })?.is_some())
    }

    /// The end of a lease that lasts `time` from now.
    pub fn expiry(time: Duration) -> u64 {
        (since_1970() + time).as_secs()
    }

    /// How long it lasts yet; `None` when it has no end of its own.
    pub fn left(&self) -> Option<Duration> {
        self.expires_at.map(|end| Duration::from_secs(end).saturating_sub(since_1970()))
    }

    /// Whether the VM, whose process is `pid` now, should have ended if nobody keeps it.
    pub fn is_over(&self, pid: Option<u32>) -> bool {
        let is_for_it = self.vm.is_some() && self.vm == pid.and_then(Owner::of);
        let expired = self.left() == Some(Duration::ZERO);
        self.throwaway || (is_for_it && (expired || self.owner.is_some_and(|owner| !owner.lives())))
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
