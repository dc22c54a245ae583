//! The config file: TOML text to a typed file to a resolved [`Vm`], with errors that point at
//! a line.

mod expand;
mod file;
mod instance;
mod load;
mod lookup;
mod parse;
mod read;
mod resolve;
mod source;
#[cfg(test)]
mod tests;

pub use file::{Definition, Entry, File, Port, Qemu, SshOption, SshSection, Var, Vars};
pub(crate) use instance::{DIR_PREFIX, RUNS};
pub use instance::{Instance, Kind};
pub use load::{FILE_NAME, RUNTIME_DIR};
pub(crate) use parse::{NAME_RULE, is_vm_name};
pub use resolve::{Ssh, Vm, reserved_option};
pub use source::{Diagnostic, Location, Source, Span, Text};

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A config file and the directories that belong to it.
#[derive(Debug)]
pub struct Config {
    /// What the file says.
    pub file: File,
    /// The directory that holds it: QEMU's working directory.
    pub dir: PathBuf,
    /// The runtime directory, where each VM has its own.
    pub runtime: PathBuf,
}

/// Why there is no usable config.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no config file at all.
    #[error("there is no config file")]
    NotFound {
        /// Where the search for `qqmgr.toml` began.
        from: PathBuf,
        /// The user's own config file, which isn't there either.
        user_file: Option<PathBuf>,
    },
    /// The file that the search has found may be a stranger's.
    #[error("the config file {path:?} is not used: {reason}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The current directory can't be told.
    #[error("the current directory can't be read: {0}")]
    CurrentDir(std::io::Error),
    /// The file can't be read.
    #[error("can't read the config file {path:?}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is wrong.
    #[error("{}", summary(diagnostics))]
    Invalid {
        /// The file.
        source_file: Arc<Source>,
        /// All that is wrong with it; never empty.
        diagnostics: Vec<Diagnostic>,
    },
    /// The file has no such VM.
    #[error("there is no VM `{name}` in {path:?}")]
    NoSuchVm {
        /// The name that was asked for.
        name: String,
        /// The nearest name that there is.
        nearest: Option<String>,
        /// The names that there are.
        known: Vec<String>,
        /// The config file.
        path: PathBuf,
    },
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [only] => only.message.clone(),
        [first, ..] => format!("{} (and {} more)", first.message, diagnostics.len() - 1),
        [] => String::new(),
    }
}

impl Config {
    /// Finds, reads and parses the config file; `explicit` is the one that the user named.
    ///
    /// # Errors
    /// There is none, it can't be read, or it is wrong.
    pub fn load(explicit: Option<&Path>) -> Result<Config, Error> {
        let source = Arc::new(load::read(&load::find(explicit)?)?);
        let (dir, runtime) = load::directories(&source.path);
        match File::parse(source.clone()) {
            Ok(file) => Ok(Config { file, dir, runtime }),
            Err(diagnostics) => Err(Error::Invalid { source_file: source, diagnostics }),
        }
    }

    /// The config as if its file described nothing: what can be told of its VMs by the runtime
    /// directory alone, while the file is wrong.
    ///
    /// # Errors
    /// There is no file.
    pub fn unread(explicit: Option<&Path>) -> Result<Config, Error> {
        let path = load::find(explicit)?;
        let found = path.canonicalize();
        let path = found.map_err(|error| Error::Unreadable { path, error })?;
        let (dir, runtime) = load::directories(&path);
        let source = Arc::new(Source { path, text: String::new() });
        match File::parse(source.clone()) {
            Ok(file) => Ok(Config { file, dir, runtime }),
            Err(diagnostics) => Err(Error::Invalid { source_file: source, diagnostics }),
        }
    }

    /// An error about places in this config file.
    pub(crate) fn invalid(&self, diagnostics: Vec<Diagnostic>) -> Error {
        Error::Invalid { source_file: self.file.source.clone(), diagnostics }
    }
}
