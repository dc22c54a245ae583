//! Why a wait failed.

use crate::error::{colon, faults};
use crate::ssh::DENIED;
use crate::text::duration;
use std::time::Duration;

/// Why a wait failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// A condition was not met in time.
    #[error("VM `{vm}`: {}{}{}", not_held(*waited, missing), also_held(held), colon(detail))]
    Timeout {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
        /// The conditions that were not met.
        missing: String,
        /// The conditions that were met.
        held: String,
        /// What else is known: why the guest does not run, or what ssh said.
        detail: String,
        /// The end of the serial log, sanitised.
        excerpt: String,
    },
    /// A condition of `--fail-on` was met.
    #[error("VM `{vm}`: {condition} matched (--fail-on)")]
    Failed {
        /// The VM.
        vm: String,
        /// The condition.
        condition: String,
    },
    /// The guest's kernel panicked.
    #[error("VM `{vm}`: the guest panicked{}", colon(reason))]
    Panicked {
        /// The VM.
        vm: String,
        /// The kernel's reason, sanitised.
        reason: String,
        /// What the serial log shows about it, sanitised.
        excerpt: String,
        /// Whether QEMU stays after the panic.
        left: bool,
    },
    /// The guest was reset while it was needed.
    #[error("VM `{vm}`: the guest was reset")]
    GuestReset {
        /// The VM.
        vm: String,
        /// The end of the serial log, sanitised.
        excerpt: String,
    },
    /// QEMU stopped the guest because a disk failed.
    #[error("VM `{vm}`: QEMU stopped the guest{}", colon(detail))]
    IoError {
        /// The VM.
        vm: String,
        /// Which disk, and why.
        detail: String,
    },
}

faults!(WaitError {
    WaitError::Timeout { .. } => "wait_timeout", Timeout;
    WaitError::Failed { .. } => "wait_failed", Failed;
    WaitError::Panicked { .. } => "guest_panicked", Failed;
    WaitError::GuestReset { .. } => "guest_reset", Failed;
    WaitError::IoError { .. } => "guest_io_error", Failed;
}
fn hint(&self) -> Option<String> {
    match self {
        WaitError::Timeout { vm, detail, .. } if detail.contains(DENIED) => Some(format!(
            "the guest refuses the login: set `User` and `IdentityFile` in [vm.{}.ssh] to what it \
             accepts",
            // A run has its VM's definition.
            vm.split('+').next().unwrap_or(vm)
        )),
        // The hint shows more than the error does.
        WaitError::Timeout { vm, excerpt, .. } if !excerpt.is_empty() => {
            Some(format!("the VM keeps running; see its log: qqmgr serial {vm} -n 50"))
        }
        WaitError::Timeout { vm, .. } | WaitError::Panicked { vm, left: true, .. } => {
            Some(format!("see its state: qqmgr status {vm}"))
        }
        _ => None,
    }
}

fn is_crash(&self) -> bool {
    matches!(
        self,
        WaitError::Panicked { .. } | WaitError::GuestReset { .. } | WaitError::IoError { .. }
    )
}

fn excerpt(&self) -> Option<(&'static str, &str)> {
    match self {
        WaitError::Panicked { excerpt, .. } => Some(("the serial log shows:", excerpt)),
        WaitError::GuestReset { excerpt, .. } | WaitError::Timeout { excerpt, .. } => {
            Some(("the serial log ends:", excerpt))
        }
        _ => None,
    }
});

/// The conditions that did not hold in time.
fn not_held(waited: Duration, missing: &str) -> String {
    match waited {
        Duration::ZERO => format!("not met: {missing}"),
        _ => format!("timed out after {} waiting for {missing}", duration::format(waited)),
    }
}

/// The conditions that were met.
fn also_held(held: &str) -> String {
    if held.is_empty() { String::new() } else { format!("; already met: {held}") }
}
