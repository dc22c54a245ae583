//! How a VM ended: what ended it, and the words for that.

use crate::sys::clock;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What ended a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The guest: it powered down, rebooted with `-no-reboot`, or panicked.
    Guest,
    /// `qqmgr stop`.
    Stop,
    /// `qqmgr kill`.
    Kill,
    /// `qqmgr restart`.
    Restart,
    /// Its lease, which expired.
    Lease,
    /// `qqmgr start`, which failed.
    Start,
    /// QMP's `quit`, sent by another client.
    Qmp,
    /// A signal that QEMU caught.
    Signal,
    /// QEMU itself: it failed, crashed or was killed.
    Qemu,
}

/// How a VM was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The guest powered down when asked to (ACPI).
    Powerdown,
    /// QMP `quit`.
    Quit,
    /// SIGTERM.
    Sigterm,
    /// SIGKILL.
    Sigkill,
}

/// How a VM ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ended {
    /// When, in seconds since 1970; `None` if that is not known.
    pub at: Option<f64>,
    /// What ended it.
    pub by: By,
    /// Why: QEMU's `ShutdownCause` (QEMU QMP Reference), else `sigterm`, `sigkill`, `died` or
    /// `exited`.
    pub reason: String,
    /// What else is known, for people: why the guest panicked, QEMU's last words.
    pub detail: Option<String>,
    /// The crash bundle.
    pub bundle: Option<PathBuf>,
}

impl Ended {
    /// A few words for a table.
    pub fn note(&self) -> String {
        match (self.by, self.reason.as_str()) {
            (By::Guest, "guest-panic") => "guest panicked".to_owned(),
            (By::Guest, "guest-reset") => "guest rebooted with -no-reboot".to_owned(),
            (By::Guest, _) => "powered down by the guest".to_owned(),
            (By::Stop | By::Restart, _) => "stopped".to_owned(),
            (By::Kill, _) => "killed by SIGKILL".to_owned(),
            (By::Lease, _) => "lease expired".to_owned(),
            (By::Start, _) => self.detail.clone().unwrap_or_else(|| "did not start".to_owned()),
            (By::Qmp, _) => "ended by QMP quit".to_owned(),
            (By::Signal, _) => "ended by a signal".to_owned(),
            (By::Qemu, "died") => "QEMU died".to_owned(),
            (By::Qemu, reason) => format!("QEMU ended ({reason})"),
        }
    }

    /// How long ago, if that is known.
    pub fn age(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(clock::now() - self.at?).ok()
    }
}

/// A sentence without its full stop.
impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.by, self.reason.as_str()) {
            (By::Guest, "guest-panic") => f.write_str("the guest panicked")?,
            (By::Guest, "guest-reset") => {
                return f.write_str("the guest rebooted, and -no-reboot ended QEMU");
            }
            (By::Guest, _) => return f.write_str("the guest powered down"),
            (By::Stop | By::Restart, _) => return f.write_str("it was stopped"),
            (By::Kill, _) => return f.write_str("it was killed by SIGKILL"),
            (By::Lease, _) => return f.write_str("its lease expired"),
            (By::Start, _) => f.write_str("it did not start")?,
            (By::Qmp, _) => return f.write_str("QMP's `quit` ended it"),
            (By::Signal, _) => f.write_str("a signal ended it")?,
            (By::Qemu, "died") => f.write_str("QEMU died")?,
            (By::Qemu, reason) => write!(f, "QEMU ended ({reason})")?,
        }
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}
