//! The config file: TOML text to a typed file to a resolved [`Vm`], with errors that point at
//! a line.

mod error;
mod expand;
mod file;
mod instance;
mod load;
mod lookup;
mod parse;
mod parse_ports;
mod ports;
mod read;
mod resolve;
mod runtime;
mod ssh_value;
mod syntax;
#[cfg(test)]
mod tests;

pub use crate::text::source::{Diagnostic, Location, Source, Span, Text};
pub use error::Error;
pub use file::{Definition, Entry, File, Qemu, SshOption, SshSection, Var, Vars};
pub(crate) use instance::{DIR_PREFIX, RUNS};
pub use instance::{Instance, Kind};
pub use load::FILE_NAME;
#[cfg(test)]
pub(crate) use parse::file as parse;
pub(crate) use parse::{NAME_RULE, is_vm_name};
pub use ports::{Port, PortUse, Ports, WantedPorts};
pub use resolve::{Ssh, Vm, reserved_option};
pub use runtime::RUNTIME_DIR;
pub(crate) use ssh_value::is_path;

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The JSON schema of the config file, for editors.
pub const SCHEMA: &str = include_str!("schema.json");

/// A config file and the directories that belong to it.
#[derive(Debug)]
pub struct Config {
    /// The contents of the file.
    pub file: File,
    /// The directory that holds it: QEMU's working directory.
    pub dir: PathBuf,
    /// The runtime directory, where each VM has its own.
    pub runtime: PathBuf,
    /// Where an earlier qqmgr would put it, if that is another place: VMs may still run there.
    pub(crate) earlier: Option<PathBuf>,
}

impl Config {
    /// Finds, reads and parses the config file; `explicit` is the one that the user gave.
    ///
    /// # Errors
    /// There is none, it can't be read, or it is wrong.
    pub fn load(explicit: Option<&Path>) -> Result<Config, Error> {
        Config::of(load::read(&load::find(explicit)?)?)
    }

    /// A config without the file's VMs: while the file has errors, only the runtime directory shows
    /// them.
    ///
    /// # Errors
    /// There is no file, or its `runtime_dir` is wrong.
    pub fn unread(explicit: Option<&Path>) -> Result<Config, Error> {
        let path = load::find(explicit)?;
        let found = path.canonicalize();
        let path = found.map_err(|error| Error::Unreadable { path, error })?;
        let nothing = Arc::new(Source { path, text: String::new() });
        let source = load::read(&nothing.path).map_or_else(|_| nothing.clone(), Arc::new);
        let runtime_dir = parse::runtime_dir(&source);
        let file = parse::file(nothing.clone()).map_err(Error::invalid(&nothing))?;
        Config::new(File { source, runtime_dir, ..file })
    }

    fn of(source: Source) -> Result<Config, Error> {
        let source = Arc::new(source);
        Config::new(parse::file(source.clone()).map_err(Error::invalid(&source))?)
    }

    fn new(file: File) -> Result<Config, Error> {
        let dir = file.source.path.parent().unwrap_or(Path::new("/")).to_owned();
        let runtime::Runtime { dir: runtime, earlier } = runtime::of(&file, &dir)?;
        Ok(Config { file, dir, runtime, earlier })
    }

    /// An error about places in this config file.
    pub(crate) fn invalid(&self, diagnostics: Vec<Diagnostic>) -> Error {
        Error::Invalid { source_file: self.file.source.clone(), diagnostics }
    }
}
