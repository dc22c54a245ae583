//! What every failure can tell besides its message. Each capability has its own faults; [`Error`]
//! carries any of them.

use crate::text::source::{Diagnostic, Location, Source, Span};
use std::any::Any;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why qqmgr could not do what it was asked.
///
/// [`Error::get`] tells which fault of which capability it is.
#[derive(Debug)]
pub struct Error(Box<dyn Fault>);

/// How to exit because of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It was tried and failed.
    Failed = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// The config is wrong.
    Config = 3,
    /// There is no such VM, or it is not in the state that is needed.
    State = 4,
    /// It took too long.
    Timeout = 5,
}

impl Exit {
    /// The code for qqmgr's own failure where another program's is passed on, as env(1) and docker
    /// have it.
    pub const PASSED_THROUGH: u8 = 125;
}

/// A failure of one capability, and what is to be known of it.
pub trait Fault: std::error::Error + Any + Send + Sync {
    /// Its stable code, which the JSON reference lists, and how to exit.
    fn answer(&self) -> (&'static str, Exit);

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The places in the config file that it is about, and what to say at each.
    fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
        None
    }

    /// What the serial log has to say about it, and how to introduce that.
    fn excerpt(&self) -> Option<(&'static str, &str)> {
        None
    }

    /// How the VM ended that it is about, as JSON.
    fn ended(&self) -> Option<serde_json::Value> {
        None
    }

    /// Whether it says by itself that the VM died or did not come up.
    fn is_crash(&self) -> bool {
        false
    }

    /// The failure that a crash bundle is of, which tells all else, and the bundle, or why it was not
    /// written.
    fn bundled(&self) -> Option<(&Error, Result<&Path, &Error>)> {
        None
    }
}

/// Implements [`Fault`] for an enum by a table of its codes, and lists those in `CODES`.
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
    /// What it is, whether there is a crash bundle of it or not.
    pub(crate) fn fault(&self) -> &dyn Fault {
        self.0.bundled().map_or(&*self.0, |(error, _)| error.fault())
    }

    /// The fault itself, if it is one of this kind.
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

    /// Whether it says by itself that the VM died or did not come up.
    pub(crate) fn is_crash(&self) -> bool {
        self.fault().is_crash()
    }

    /// The place in the config file, for errors that have one.
    pub fn location(&self) -> Option<Location> {
        let (source, diagnostics) = self.diagnostics()?;
        diagnostics.first().map(|diagnostic| source.location(diagnostic.span.start))
    }

    /// The places in the config file, and what to say at each.
    pub fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
        self.fault().diagnostics()
    }

    /// What the serial log has to say about it, and how to introduce that.
    pub fn excerpt(&self) -> Option<(&'static str, &str)> {
        self.fault().excerpt().filter(|(_, text)| !text.is_empty())
    }

    /// How the VM ended that it is about, as JSON.
    pub fn ended(&self) -> Option<serde_json::Value> {
        self.fault().ended()
    }

    /// The crash bundle that was written.
    pub fn bundle(&self) -> Option<&Path> {
        self.0.bundled()?.1.ok()
    }

    /// Why a crash bundle was not written that should have been.
    pub fn bundle_error(&self) -> Option<&Error> {
        self.0.bundled()?.1.err()
    }
}

/// A place in a config file, with the text to show it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The place.
    pub span: Span,
}

impl Place {
    /// What to say there of a fault.
    pub(crate) fn of(&self, fault: &impl Fault) -> (Arc<Source>, Vec<Diagnostic>) {
        let mut diagnostic = Diagnostic::new(self.span.clone(), plain(fault));
        diagnostic.hint = fault.hint();
        (self.source.clone(), vec![diagnostic])
    }
}

/// The arguments contradict each other, or what they say can't be.
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

/// The system refuses something that qqmgr can't do without.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A file or directory can't be used.
    #[error("can't {action} {path:?}: {error}")]
    File {
        /// What was tried, as verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A directory that is not safe to use.
    #[error("the runtime directory {path:?} is refused: it {reason}")]
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
        /// Why not.
        #[source]
        error: io::Error,
        /// Where the config names it.
        place: Option<Place>,
    },
    /// There are no means left to work with.
    #[error("qqmgr can't work: {error}")]
    Runtime {
        /// Why not.
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
            Some("move it away, or name one of your own: `runtime_dir = \"...\"` in the config, or \
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

/// The error for a file or directory with which something can't be done, from its reason.
pub(crate) fn cant(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error + Copy {
    move |error| SystemError::File { action, path: path.to_owned(), error }.into()
}

/// A message without the numbers that Rust adds to the system's reasons, such as ` (os error 2)`.
pub(crate) fn plain(message: impl fmt::Display) -> String {
    let message = message.to_string();
    let mut parts = message.split(" (os error ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    plain.extend(parts.map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)));
    plain
}

/// What is added to a message if there is anything to add.
pub(crate) fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
