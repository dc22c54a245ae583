//! The config file: TOML text to a typed file to a resolved [`Vm`], with errors that point at
//! a line.

mod error;
mod expand;
mod file;
mod instance;
mod load;
mod lookup;
mod parse;
mod ports;
mod read;
mod resolve;
#[cfg(test)]
mod tests;

pub use crate::text::source::{Diagnostic, Location, Source, Span, Text};
pub use error::Error;
pub use file::{Definition, Entry, File, Qemu, SshOption, SshSection, Var, Vars};
pub(crate) use instance::{DIR_PREFIX, RUNS};
pub use instance::{Instance, Kind};
pub use load::{FILE_NAME, RUNTIME_DIR};
pub(crate) use parse::{NAME_RULE, file as parse, is_vm_name};
pub use ports::{Port, PortUse, Ports, WantedPorts};
pub use resolve::{Ssh, Vm, reserved_option};

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

impl Config {
    /// Finds, reads and parses the config file; `explicit` is the one that the user named.
    ///
    /// # Errors
    /// There is none, it can't be read, or it is wrong.
    pub fn load(explicit: Option<&Path>) -> Result<Config, Error> {
        Config::of(load::read(&load::find(explicit)?)?)
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
        Config::of(Source { path, text: String::new() })
    }

    fn of(source: Source) -> Result<Config, Error> {
        let (dir, runtime) = load::directories(&source.path);
        let source = Arc::new(source);
        match parse(source.clone()) {
            Ok(file) => Ok(Config { file, dir, runtime }),
            Err(diagnostics) => Err(Error::Invalid { source_file: source, diagnostics }),
        }
    }

    /// An error about places in this config file.
    pub(crate) fn invalid(&self, diagnostics: Vec<Diagnostic>) -> Error {
        Error::Invalid { source_file: self.file.source.clone(), diagnostics }
    }
}
