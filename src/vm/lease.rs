//! The record of a lease: when a VM has to end by itself, even if its keeper is killed.

use super::dir::VmDir;
use super::files;
use crate::Error;
use crate::config::Instance;
use crate::sys::clock;
use crate::sys::process::Identity;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a VM has to end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// At this time, in seconds since 1970.
    pub expires_at: Option<f64>,
    /// This long after the VM is up; `expires_at` replaces it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// When this process has ended.
    pub owner: Option<Identity>,
    /// The VM's process that the lease is for.
    pub vm: Option<Identity>,
}

/// What a status says about a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeaseStatus {
    /// When the VM has to end, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// The process whose end also ends the VM.
    pub owner_pid: Option<u32>,
    /// How much time is left; `None` if the lease has no expiry.
    #[serde(skip)]
    pub left: Option<Duration>,
}

impl Lease {
    /// The lease of the VM whose process is `pid`. A lease of an earlier life does not count.
    ///
    /// # Errors
    /// The record can't be read.
    pub fn of(dir: &VmDir, pid: u32) -> Result<Option<Lease>, Error> {
        let lease: Option<Lease> = dir.read_record(files::LEASE)?;
        Ok(lease.filter(|lease| lease.vm.is_some() && lease.vm == Identity::of(pid)))
    }

    /// The lease of a VM, if it is running and has one.
    ///
    /// # Errors
    /// Its directory can't be used.
    pub fn current(instance: &Instance) -> Result<Option<Lease>, Error> {
        let Some(dir) = VmDir::open(instance)? else {
            return Ok(None);
        };
        match dir.process()? {
            Some(process) => Lease::of(&dir, process.pid()),
            None => Ok(None),
        }
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, dir: &VmDir) -> Result<(), Error> {
        dir.write_record(files::LEASE, self)
    }

    /// This lease for a VM that is up from now on.
    pub fn begun(self, vm: Identity) -> Lease {
        let expires_at = self.ttl.map(|ttl| clock::now() + ttl.as_secs_f64()).or(self.expires_at);
        Lease { expires_at, ttl: None, vm: Some(vm), ..self }
    }

    /// Whether it never ends the VM.
    pub fn is_empty(&self) -> bool {
        self.expires_at.is_none() && self.ttl.is_none() && self.owner.is_none()
    }

    /// Whether the VM should have ended.
    pub fn is_over(&self) -> bool {
        self.left() == Some(Duration::ZERO) || self.owner.is_some_and(|owner| !owner.lives())
    }

    /// What a status says about it.
    pub fn status(&self) -> LeaseStatus {
        LeaseStatus {
            // Rounded up: the VM does not end earlier.
            expires_at: self.expires_at.map(|end| end.ceil() as u64),
            owner_pid: self.owner.map(|owner| owner.pid),
            left: self.left(),
        }
    }

    fn left(&self) -> Option<Duration> {
        let left = self.expires_at? - clock::now();
        Some(Duration::try_from_secs_f64(left).unwrap_or_default())
    }
}
