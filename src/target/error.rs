//! Why a QEMU can't be controlled that qqmgr has not started.

use crate::error::faults;
use crate::qmp::{self, Address};
use crate::text::duration;
use std::io;
use std::time::Duration;

/// Why a QEMU can't be controlled that qqmgr has not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// It begins like a target, and is none.
    #[error("`{text}` is not a target")]
    Malformed {
        /// What was written.
        text: String,
        /// One that is.
        expected: &'static str,
    },
    /// There is no such process.
    #[error("there is no process {pid}")]
    NoProcess {
        /// The pid.
        pid: u32,
    },
    /// The process is another program.
    #[error("process {pid} is `{program}`, not QEMU")]
    NotQemu {
        /// The pid.
        pid: u32,
        /// What it runs.
        program: String,
    },
    /// The process is another user's.
    #[error("process {pid} belongs to another user, so its QMP can't be found")]
    NotOurs {
        /// The pid.
        pid: u32,
    },
    /// It has no QMP that a client can connect to.
    #[error("QEMU (pid {pid}) can't be reached by QMP: {reason}")]
    NoQmp {
        /// The pid.
        pid: u32,
        /// Why not.
        reason: String,
    },
    /// Nothing answers where its QMP should be.
    #[error("{target}: can't connect to {address}: {error}")]
    Unreachable {
        /// The target.
        target: String,
        /// Where.
        address: Address,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// Another client is connected.
    #[error("{target}: another client uses the QMP socket {address}")]
    Held {
        /// The target.
        target: String,
        /// Where.
        address: Address,
    },
    /// QEMU did not answer in time.
    #[error("{target}: QMP did not answer within {}", duration::format(*waited))]
    TimedOut {
        /// The target.
        target: String,
        /// How long we waited.
        waited: Duration,
    },
    /// QMP answered something else than it should, or hung up.
    #[error("{target}: {error}")]
    Qmp {
        /// The target.
        target: String,
        /// What happened.
        #[source]
        error: qmp::Error,
    },
}

faults!(TargetError {
    TargetError::Malformed { .. } => "usage", Usage;
    TargetError::NoProcess { .. } => "no_such_process", State;
    TargetError::NotQemu { .. } => "not_qemu", State;
    TargetError::NotOurs { .. } => "not_permitted", State;
    TargetError::NoQmp { .. } => "no_qmp", State;
    TargetError::Unreachable { .. } => "qmp_unreachable", Failed;
    TargetError::Held { .. } => "qmp_held", Timeout;
    TargetError::TimedOut { .. } => "qmp_timeout", Timeout;
    TargetError::Qmp { .. } => "qmp_failed", Failed;
}
fn hint(&self) -> Option<String> {
    Some(match self {
        TargetError::Malformed { expected, .. } => format!("write {expected}"),
        TargetError::NoProcess { .. } | TargetError::NotQemu { .. } => {
            "qqmgr list --any shows every QEMU".into()
        }
        TargetError::NoQmp { .. } => {
            "start it with -qmp unix:/path/to.sock,server=on,wait=off".into()
        }
        TargetError::Held { .. } => {
            "close the other client, or give QEMU a second -qmp: QEMU serves one client at a time".into()
        }
        TargetError::NotOurs { .. } => "run qqmgr as that user, or as root".into(),
        _ => return None,
    })
});
