//! The typed config file: what `qqmgr.toml` contains before variables are expanded.

use super::ports::Port;
use crate::text::source::{Source, Span, Text};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A config file without errors.
#[derive(Debug)]
pub struct File {
    /// The text that it was read from.
    pub source: Arc<Source>,
    /// `runtime_dir`: the parent of the VMs' directories.
    pub runtime_dir: Option<Text>,
    /// `[qemu]`: the programs.
    pub qemu: Qemu,
    /// `[vars]`.
    pub vars: Vars,
    /// `[ssh]`: OpenSSH options for every VM.
    pub ssh: Vec<SshOption>,
    /// `[vm.NAME]`, in the order of the file.
    pub vms: Vec<Definition>,
}

/// `[qemu]`: the programs that run VMs.
#[derive(Debug)]
pub struct Qemu {
    /// The system emulator.
    pub bin: Text,
    /// The image tool.
    pub img: Text,
}

/// `[vm.NAME]`.
#[derive(Debug)]
pub struct Definition {
    /// The VM's name.
    pub name: String,
    /// The place of the name in the file.
    pub span: Span,
    /// `cmd`, entry by entry.
    pub cmd: Vec<Entry>,
    /// `bin`: another QEMU for this VM.
    pub bin: Option<Text>,
    /// `env`: variables for QEMU's environment.
    pub env: Vec<(String, Text)>,
    /// `serial_limit`: how much of the serial log is kept, in bytes.
    pub serial_limit: Option<u64>,
    /// `[vm.NAME.vars]`.
    pub vars: Vars,
    /// `[vm.NAME.ports]`.
    pub ports: BTreeMap<String, Port>,
    /// `[vm.NAME.ssh]`.
    pub ssh: SshSection,
}

/// An entry of `cmd`.
#[derive(Debug)]
pub enum Entry {
    /// A string, which is split into words.
    Line(Text),
    /// A list: exact words.
    Words(Vec<Text>),
}

/// `[vm.NAME.ssh]`.
#[derive(Debug)]
pub struct SshSection {
    /// `port`, on the host.
    pub port: Port,
    /// `vm_port`, in the guest.
    pub vm_port: u16,
    /// All other keys: OpenSSH's own.
    pub options: Vec<SshOption>,
}

/// An option for OpenSSH.
#[derive(Clone, Debug)]
pub struct SshOption {
    /// The keyword as it is written (ssh_config(5)); case does not matter.
    pub keyword: String,
    /// Its values, each on its own line in `ssh.conf`.
    pub values: Vec<Text>,
}

/// A table of variables.
pub type Vars = BTreeMap<String, Var>;

/// A variable.
#[derive(Debug)]
pub enum Var {
    /// A string (a template itself), a number or a boolean, as it is written.
    Text(Text),
    /// A table of variables.
    Table(Vars),
    /// A value that can't be part of a text, by its type's name.
    Other(&'static str),
}

impl File {
    /// The VM with this name.
    pub fn vm(&self, name: &str) -> Option<&Definition> {
        self.vms.iter().find(|vm| vm.name == name)
    }
}
