//! The result of a run, however it ended.

use super::steps::Progress;
use crate::config::{Diagnostic, Instance, Location, Source};
use crate::sys::child::exit_code;
use crate::sys::signals;
use crate::vm::VmError;
use crate::wait::WaitError;
use crate::{Error, Exit};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The command exited, and its exit code is the run's.
    Command,
    /// The guest's kernel panicked.
    GuestPanic,
    /// The guest was reset.
    GuestReset,
    /// QEMU stopped the guest because a disk failed.
    IoError,
    /// QEMU ended.
    QemuDeath,
    /// The time was over.
    Timeout,
    /// qqmgr received a signal.
    Signal,
    /// Something else failed, such as copying.
    Failure,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    /// The instance.
    pub name: String,
    /// The command's own exit code, or qqmgr's.
    pub exit_code: u8,
    /// The command's own exit code, if it exited, whatever failed after that.
    pub command_exit_code: Option<u8>,
    /// Why it ended.
    pub ended_by: EndedBy,
    /// What failed, other than the command.
    pub message: Option<String>,
    /// What the serial log shows about it.
    pub excerpt: Option<String>,
    /// The config's line that this is about, if there is one.
    pub location: Option<Location>,
    /// The same places, with a message for each.
    #[serde(skip)]
    pub diagnostics: Option<(Arc<Source>, Vec<Diagnostic>)>,
    /// The crash bundle.
    pub bundle: Option<PathBuf>,
    /// Why it was not written, if it should have been.
    pub bundle_error: Option<String>,
    /// The instance again, if it is still running.
    pub kept: Option<String>,
    /// How long it took in all, in seconds.
    pub seconds: f64,
    /// The command's standard output, if it ran and was collected.
    pub stdout: Option<String>,
    /// Its standard error, if it was collected too.
    pub stderr: Option<String>,
}

/// How it ended.
pub enum End {
    /// Everything was done; some files may not have been copied out.
    Done,
    Signal(i32),
    Failure(Error),
}

impl End {
    pub fn report(self, instance: &Instance, progress: &Progress, unkept: &[Error]) -> Ran {
        let command_exit_code = progress.status().map(exit_code);
        let (stdout, stderr) = progress.output().unzip();
        let mut ran = Ran {
            name: instance.name.clone(),
            exit_code: Exit::PASSED_THROUGH,
            command_exit_code,
            ended_by: EndedBy::Failure,
            message: None,
            excerpt: None,
            location: None,
            diagnostics: None,
            bundle: None,
            bundle_error: None,
            kept: None,
            seconds: 0.0,
            stdout,
            stderr,
        };
        match self {
            End::Done => {
                ran.message = joined(progress.not_copied(), unkept);
                // A command that failed may have made nothing to copy: its own exit code says more.
                if let Some(code) = command_exit_code
                    && (code != 0 || ran.message.is_none())
                {
                    ran.exit_code = code;
                    ran.ended_by = EndedBy::Command;
                }
            }
            End::Signal(number) => {
                ran.ended_by = EndedBy::Signal;
                ran.exit_code = u8::try_from(128 + number).unwrap_or(u8::MAX);
                let message = format!("{}; its VM is gone", signals::describe(number));
                ran.message = joined(Some(message), unkept);
            }
            End::Failure(error) => {
                ran.bundle = error.bundle().map(Path::to_owned);
                ran.bundle_error = error.bundle_error().map(Error::to_string);
                ran.excerpt = error.excerpt().map(|(_, excerpt)| excerpt.to_owned());
                ran.location = error.location();
                ran.diagnostics = error.diagnostics();
                ran.message = joined(Some(error.to_string()), unkept);
                ran.ended_by = ended_by(&error);
            }
        }
        ran
    }
}

/// The message, and an error for each file that could not be kept.
fn joined(message: Option<String>, unkept: &[Error]) -> Option<String> {
    let all: Vec<_> = message.into_iter().chain(unkept.iter().map(Error::to_string)).collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

fn ended_by(error: &Error) -> EndedBy {
    match error.get() {
        Some(WaitError::Panicked { .. }) => return EndedBy::GuestPanic,
        Some(WaitError::GuestReset { .. }) => return EndedBy::GuestReset,
        Some(WaitError::IoError { .. }) => return EndedBy::IoError,
        Some(WaitError::Timeout { .. }) => return EndedBy::Timeout,
        _ => {}
    }
    match error.get() {
        Some(VmError::QemuFailed { .. } | VmError::Stopped { .. } | VmError::Died { .. }) => {
            EndedBy::QemuDeath
        }
        Some(VmError::StartTimeout { .. }) => EndedBy::Timeout,
        _ => EndedBy::Failure,
    }
}
