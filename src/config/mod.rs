//! The config file: TOML text to a typed file to a resolved [`Vm`], with errors that point at
//! a line.

mod expand;
mod file;
mod load;
mod lookup;
mod parse;
mod read;
mod resolve;
mod source;
#[cfg(test)]
mod tests;

pub use file::{Definition, Entry, File, Port, Qemu, SshOption, SshSection, Var, Vars};
pub use load::{FILE_NAME, RUNTIME_DIR};
pub(crate) use parse::{NAME_RULE, is_vm_name};
pub use resolve::{Ssh, Vm, reserved_option};
pub use source::{Diagnostic, Location, Source, Span, Text};

use crate::text::suggest;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the name of a VM's directory begins with.
const DIR_PREFIX: &str = "vm.";

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

/// A VM's identity at run time: its name and its directory.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// The `[vm.NAME]` that it is made from.
    pub definition: String,
    /// Its directory, as absolute path.
    pub dir: PathBuf,
    /// The port for SSH that the config names.
    pub port: Port,
    /// Whether the config has that definition.
    pub configured: bool,
}

impl Instance {
    /// Whether it is a throwaway instance of its VM.
    pub fn is_run(&self) -> bool {
        self.name != self.definition
    }

    /// The throwaway instance of this VM that is called `id`.
    fn run(&self, id: &str) -> Instance {
        Instance {
            name: format!("{}+{id}", self.name),
            dir: self.dir.join("runs").join(id),
            port: Port::Auto,
            ..self.clone()
        }
    }

    /// The throwaway instances of this VM.
    fn runs(&self) -> Vec<Instance> {
        let entries = std::fs::read_dir(self.dir.join("runs")).into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut ids: Vec<_> = ids.filter(|id| parse::is_vm_name(id)).collect();
        ids.sort();
        ids.iter().map(|id| self.run(id)).collect()
    }
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

    /// The identity of the VM called `name`, or of the run called `VM+ID`.
    ///
    /// # Errors
    /// There is no such VM or run.
    pub fn instance(&self, name: &str) -> Result<Instance, Error> {
        let Some((vm, id)) = name.split_once('+') else {
            return self.definition(name).map(|definition| self.identify(definition));
        };
        let run = self.run_instance(vm, id)?;
        match parse::is_vm_name(id) && run.dir.is_dir() {
            true => Ok(run),
            false => Err(self.no_such_vm(name)),
        }
    }

    /// The identity of a throwaway instance of a VM: its directory is inside the VM's own, and
    /// its name has a `+`, which no VM's has.
    ///
    /// # Errors
    /// There is no such VM.
    pub fn run_instance(&self, vm: &str, id: &str) -> Result<Instance, Error> {
        Ok(self.instance(vm)?.run(id))
    }

    /// The identities of all VMs, in the order of the file.
    pub fn vms(&self) -> Vec<Instance> {
        self.file.vms.iter().map(|definition| self.identify(definition)).collect()
    }

    /// The identities of all VMs, in the order of the file, each with its runs behind it.
    pub fn instances(&self) -> Vec<Instance> {
        // Where there are a thousand VMs, few have ever run: one look finds those.
        let entries = std::fs::read_dir(&self.runtime).into_iter().flatten().flatten();
        let dirs: HashSet<PathBuf> = entries.map(|entry| entry.path()).collect();
        let with_runs = |definition| {
            let vm = self.identify(definition);
            let runs = if dirs.contains(&vm.dir) { vm.runs() } else { Vec::new() };
            std::iter::once(vm).chain(runs)
        };
        self.file.vms.iter().flat_map(with_runs).collect()
    }

    /// The identities of what has a directory in the runtime directory but no definition in the
    /// file, in the order of the names, each with its runs behind it.
    pub fn undefined(&self) -> Vec<Instance> {
        let entries = std::fs::read_dir(&self.runtime).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names = names.filter_map(|name| name.strip_prefix(DIR_PREFIX).map(str::to_owned));
        let is_undefined = |name: &String| parse::is_vm_name(name) && self.file.vm(name).is_none();
        let mut names: Vec<_> = names.filter(is_undefined).collect();
        names.sort();
        let with_runs = |name: &String| {
            let vm = Instance { configured: false, ..self.identity(name, Port::Auto) };
            let runs = vm.runs();
            std::iter::once(vm).chain(runs)
        };
        names.iter().flat_map(with_runs).collect()
    }

    fn identify(&self, definition: &Definition) -> Instance {
        self.identity(&definition.name, definition.ssh.port)
    }

    fn identity(&self, name: &str, port: Port) -> Instance {
        Instance {
            name: name.to_owned(),
            definition: name.to_owned(),
            dir: self.runtime.join(format!("{DIR_PREFIX}{name}")),
            port,
            configured: true,
        }
    }

    fn definition(&self, name: &str) -> Result<&Definition, Error> {
        self.file.vm(name).ok_or_else(|| self.no_such_vm(name))
    }

    fn no_such_vm(&self, name: &str) -> Error {
        let names = || self.file.vms.iter().map(|vm| vm.name.as_str());
        Error::NoSuchVm {
            name: name.to_owned(),
            nearest: suggest::nearest(name, names()).map(str::to_owned),
            known: names().map(str::to_owned).collect(),
            path: self.file.source.path.clone(),
        }
    }

    /// An error about places in this config file.
    pub(crate) fn invalid(&self, diagnostics: Vec<Diagnostic>) -> Error {
        Error::Invalid { source_file: self.file.source.clone(), diagnostics }
    }
}
