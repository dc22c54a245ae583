//! Why one is not attached to a port, or no longer.

use super::Port;
use crate::text::duration;
use std::time::Duration;

/// What went wrong with being attached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else is attached.
    #[error("VM `{vm}`: its {port} is in use by {}", user(*pid))]
    Held {
        /// The VM.
        vm: String,
        /// What of it.
        port: Port,
        /// The qqmgr that is attached; `None` for another program.
        pid: Option<u32>,
    },
    /// Another qqmgr took what we were attached to.
    #[error("VM `{vm}`: its {port} was taken over by another qqmgr (pid {pid})")]
    Taken {
        /// The VM.
        vm: String,
        /// What of it.
        port: Port,
        /// Who has it now.
        pid: u32,
    },
    /// The guest's output did not come to what was waited for.
    #[error("VM `{vm}`: what is awaited from its {port} did not come within {}", duration::format(*waited))]
    TimedOut {
        /// The VM.
        vm: String,
        /// What of it.
        port: Port,
        /// How long we waited.
        waited: Duration,
    },
}

fn user(pid: Option<u32>) -> String {
    pid.map_or("another program".to_owned(), |pid| format!("another qqmgr (pid {pid})"))
}
