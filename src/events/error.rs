//! Why a VM's events can't be had.

use crate::error::faults;
use crate::text::duration;
use std::time::Duration;

/// Why a VM's events can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError {
    /// There is no log of them.
    #[error("VM `{vm}`: can't listen to its events: {reason}")]
    NoLog {
        /// The VM.
        vm: String,
        /// Why not.
        reason: &'static str,
    },
    /// Fewer came in time than were wanted.
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
