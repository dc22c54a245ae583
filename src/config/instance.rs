//! A VM's identity at run time: its name and its directory, which follow from the config alone.

use super::file::Definition;
use super::ports::Port;
use super::{Config, Error};
use crate::text::suggest;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The prefix of the name of a VM's directory.
pub const DIR_PREFIX: &str = "vm.";

/// The directory for throwaway instances, inside the VM's own.
pub const RUNS: &str = "runs";

/// A VM's identity at run time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// The `[vm.NAME]` that it is made from.
    pub definition: String,
    /// Its directory, as absolute path.
    pub dir: PathBuf,
    /// The config file.
    pub config: PathBuf,
    /// The port for SSH, from the config.
    pub port: Port,
    /// How the config relates to it.
    pub kind: Kind,
}

/// How the config relates to a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The config defines it.
    Defined,
    /// This config started it, but no longer defines it: it was renamed or removed since.
    Stray,
    /// It is a throwaway instance, `VM+ID`; the config may no longer define its VM.
    Run {
        /// Whether the config defines its VM.
        defined: bool,
    },
}

impl Instance {
    /// Whether it is a throwaway instance of a VM.
    pub fn is_run(&self) -> bool {
        matches!(self.kind, Kind::Run { .. })
    }

    /// Whether the config defines it.
    pub fn is_defined(&self) -> bool {
        matches!(self.kind, Kind::Defined | Kind::Run { defined: true })
    }

    /// The directory of the VM; for a throwaway instance, that of its VM.
    pub fn vm_dir(&self) -> &Path {
        let above = self.dir.parent().and_then(Path::parent);
        above.filter(|_| self.is_run()).unwrap_or(&self.dir)
    }

    /// The throwaway instance of this VM with this `id`. Its directory is inside the VM's, and its
    /// name has a `+`, which no VM's name has.
    pub fn run(&self, id: &str) -> Instance {
        Instance {
            name: format!("{}+{id}", self.name),
            definition: self.definition.clone(),
            dir: self.dir.join(RUNS).join(id),
            config: self.config.clone(),
            port: Port::Auto,
            kind: Kind::Run { defined: self.is_defined() },
        }
    }
}

impl Config {
    /// The identity of the VM that the file defines as `name`.
    ///
    /// # Errors
    /// There is no such VM.
    pub fn instance(&self, name: &str) -> Result<Instance, Error> {
        self.definition(name).map(|definition| self.identify(definition))
    }

    /// The identities of all VMs, in the order of the file.
    pub fn vms(&self) -> Vec<Instance> {
        self.file.vms.iter().map(|definition| self.identify(definition)).collect()
    }

    /// The identity of a VM that the file does not define, but that may still be running.
    pub(crate) fn stray(&self, name: &str) -> Instance {
        self.identity(name, Port::Auto, Kind::Stray)
    }

    /// The same VM, with its directory where an earlier qqmgr would put it, if that differs.
    pub(crate) fn earlier(&self, instance: &Instance) -> Option<Instance> {
        let dir = self.earlier.as_ref()?.join(instance.dir.strip_prefix(&self.runtime).ok()?);
        Some(Instance { dir, ..instance.clone() })
    }

    fn identify(&self, definition: &Definition) -> Instance {
        self.identity(&definition.name, definition.ssh.port, Kind::Defined)
    }

    fn identity(&self, name: &str, port: Port, kind: Kind) -> Instance {
        Instance {
            name: name.to_owned(),
            definition: name.to_owned(),
            dir: self.runtime.join(format!("{DIR_PREFIX}{name}")),
            config: self.file.source.path.clone(),
            port,
            kind,
        }
    }

    pub(super) fn definition(&self, name: &str) -> Result<&Definition, Error> {
        self.file.vm(name).ok_or_else(|| self.unknown(name))
    }

    /// The error for a VM that does not exist.
    pub(crate) fn unknown(&self, name: &str) -> Error {
        let names = || self.file.vms.iter().map(|vm| vm.name.as_str());
        Error::NoSuchVm {
            name: name.to_owned(),
            nearest: suggest::nearest(name, names()).map(str::to_owned),
            known: names().map(str::to_owned).collect(),
            path: self.file.source.path.clone(),
        }
    }
}
