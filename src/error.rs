//! qqmgr's errors: what every failure knows besides its message. Each capability has its own
//! faults; [`Error`] carries any of them.

use crate::text::source::{Diagnostic, Location, Source, Span};
use std::any::Any;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why qqmgr failed.
///
/// [`Error::get`] returns the fault, if it is of a given type.
#[derive(Debug)]
pub struct Error(Box<dyn Fault>);

/// The exit codes for failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The operation failed.
    Failed = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// The config is wrong.
    Config = 3,
    /// There is no such VM, or it is not in the state that the command needs.
    State = 4,
    /// It timed out.
    Timeout = 5,
}

impl Exit {
    /// The code for qqmgr's own failure if another program's code is passed on, as in env(1) and
    /// docker.
    pub const PASSED_THROUGH: u8 = 125;
}

/// A failure of one capability, and what is known about it.
pub trait Fault: std::error::Error + Any + Send + Sync {
    /// Its stable code, which the JSON reference lists, and its exit code.
    fn answer(&self) -> (&'static str, Exit);

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The places in the config file that it is about, with a message for each.
    fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
        None
    }

    /// What the serial log shows about it, with a title for that.
    fn excerpt(&self) -> Option<(&'static str, &str)> {
        None
    }

    /// How the VM ended, as JSON, if it did.
    fn ended(&self) -> Option<serde_json::Value> {
        None
    }

    /// Whether this failure means that the VM died or did not come up.
    fn is_crash(&self) -> bool {
        false
    }

    /// If this is a crash bundle: the failure that it is about, and the bundle's path or why it was
    /// not written.
    fn bundled(&self) -> Option<(&Error, Result<&Path, &Error>)> {
        None
    }
}

/// Implements [`Fault`] for an enum from a table of its codes, and lists them in `CODES`.
macro_rules! faults {
    ($fault:ident { $($pattern:pat => $code:literal, $exit:ident;)+ } $($more:tt)*) => {
        impl $fault {
            #[cfg(test)]
            pub(crate) const CODES: &[(&str, $crate::error::Exit)] =
                &[$(($code, $crate::error::Exit::$exit)),+];
        }

        impl $crate::error::Fault for $fault {
            fn answer(&self) -> (&'static str, $crate::error::Exit) {
                match self {
                    $($pattern => ($code, $crate::error::Exit::$exit),)+
                }
            }

            $($more)*
        }
    };
}
pub(crate) use faults;

impl<F: Fault> From<F> for Error {
    fn from(fault: F) -> Error {
        Error(Box::new(fault))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.0))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Error {
    /// The failure itself; for a crash bundle, the one that it is about.
    pub(crate) fn fault(&self) -> &dyn Fault {
        self.0.bundled().map_or(&*self.0, |(error, _)| error.fault())
    }

    /// The fault, if it is of this type.
    pub fn get<F: Fault>(&self) -> Option<&F> {
        let fault: &dyn Any = self.fault();
        fault.downcast_ref()
    }

    /// The stable name of this kind of error; the JSON reference lists them.
    pub fn code(&self) -> &'static str {
        self.fault().answer().0
    }

    /// The exit code: 1 failed, 2 usage, 3 config, 4 no such VM or not in that state, 5 timed out.
    pub fn exit_code(&self) -> u8 {
        self.fault().answer().1 as u8
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        self.fault().hint()
    }

    /// Whether this failure means that the VM died or did not come up.
    pub(crate) fn is_crash(&self) -> bool {
        self.fault().is_crash()
    }

    /// The place in the config file, if the error has one.
    pub fn location(&self) -> Option<Location> {
        let (source, diagnostics) = self.diagnostics()?;
        diagnostics.first().map(|diagnostic| source.location(diagnostic.span.start))
    }

    /// The places in the config file, with a message for each.
    pub fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
        self.fault().diagnostics()
    }

    /// What the serial log shows about it, with a title for that.
    pub fn excerpt(&self) -> Option<(&'static str, &str)> {
        self.fault().excerpt().filter(|(_, text)| !text.is_empty())
    }

    /// How the VM ended, as JSON, if it did.
    pub fn ended(&self) -> Option<serde_json::Value> {
        self.fault().ended()
    }

    /// The crash bundle, if one was written.
    pub fn bundle(&self) -> Option<&Path> {
        self.0.bundled()?.1.ok()
    }

    /// Why a crash bundle could not be written.
    pub fn bundle_error(&self) -> Option<&Error> {
        self.0.bundled()?.1.err()
    }
}

/// A place in a config file, with the file's text.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The place.
    pub span: Span,
}

impl Place {
    /// The diagnostics that report a fault at this place.
    pub(crate) fn of(&self, fault: &impl Fault) -> (Arc<Source>, Vec<Diagnostic>) {
        let mut diagnostic = Diagnostic::new(self.span.clone(), plain(fault));
        diagnostic.hint = fault.hint();
        (self.source.clone(), vec![diagnostic])
    }
}

/// The arguments contradict each other or can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Usage {
    /// What is wrong with them.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

faults!(Usage {
    Usage { .. } => "usage", Usage;
}
fn hint(&self) -> Option<String> {
    self.hint.clone()
});

/// The system refuses something that qqmgr needs.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A file or directory can't be used.
    #[error("can't {action} {path:?}: {error}")]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        error: io::Error,
    },
    /// A directory that is not safe to use.
    #[error("can't use the runtime directory {path:?}: it {reason}")]
    UnsafeDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A program can't be executed.
    #[error("can't run `{program}`: {error}")]
    Spawn {
        /// The program.
        program: String,
        /// Why it failed.
        #[source]
        error: io::Error,
        /// The config's line that names it.
        place: Option<Place>,
    },
    /// The system refuses a resource that qqmgr itself needs, such as a descriptor.
    #[error("qqmgr can't continue: {error}")]
    Runtime {
        /// Why it failed.
        #[source]
        error: io::Error,
    },
}

faults!(SystemError {
    SystemError::File { .. } => "file", Failed;
    SystemError::UnsafeDir { .. } => "runtime_dir_refused", Failed;
    SystemError::Spawn { .. } => "program_not_run", Failed;
    SystemError::Runtime { .. } => "system", Failed;
}
fn hint(&self) -> Option<String> {
    match self {
        SystemError::UnsafeDir { .. } => {
            Some("move it away, or set another one: `runtime_dir = \"...\"` in the config, or \
                  $QQMGR_RUNTIME_DIR".into())
        }
        SystemError::Spawn { error, .. } if error.kind() == io::ErrorKind::NotFound => {
            Some("is it installed and in $PATH?".into())
        }
        _ => None,
    }
}

fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
    match self {
        SystemError::Spawn { place: Some(place), .. } => Some(place.of(self)),
        _ => None,
    }
});

/// Makes the error for a file or directory from an I/O error.
pub(crate) fn cant(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error + Copy {
    move |error| SystemError::File { action, path: path.to_owned(), error }.into()
}

/// A message without the numbers that Rust adds to system errors, such as ` (os error 2)`.
pub(crate) fn plain(message: impl fmt::Display) -> String {
    let message = message.to_string();
    let mut parts = message.split(" (os error ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    plain.extend(parts.map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)));
    // The temporary name of a file that is being written.
    match plain.split_once(" at path \"") {
        Some((before, path)) if path.contains("/.") => before.to_owned(),
        _ => plain,
    }
}

/// A colon and the text, to be appended to a message; empty if the text is.
pub(crate) fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
