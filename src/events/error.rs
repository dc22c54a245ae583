//! Why a VM's events can't be read.

use crate::error::faults;
use crate::text::duration;
use std::time::Duration;

/// Why a VM's events can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError {
    /// The VM has no event log.
    #[error("VM `{vm}`: can't follow its events: {reason}")]
    NoLog {
        /// The VM.
        vm: String,
        /// Why it has none.
        reason: &'static str,
    },
    /// Too few events came in time.
    #[error("VM `{vm}`: {seen} of {wanted} events came within {}", duration::format(*waited))]
    Timeout {
        /// The VM.
        vm: String,
        /// How many came.
        seen: u64,
        /// How many were wanted.
        wanted: u64,
        /// How long we waited.
        waited: Duration,
    },
}

faults!(EventsError {
    EventsError::NoLog { .. } => "events_failed", Failed;
    EventsError::Timeout { .. } => "events_timeout", Timeout;
});
