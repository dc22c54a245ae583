//! The record of a VM's launch: how it was started, kept while it runs.
//!
//! Its file is also the VM's first sign of life: see [`super::dir::VmDir::process`].

use super::argv::CommandLine;
use super::dir::VmDir;
use super::files;
use super::timeline::Timeline;
use crate::Error;
use crate::config::{Config, Ports, Vm};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// What a VM was started with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Launch {
    /// The command line, the program first.
    pub argv: Vec<String>,
    /// The arguments among them that were appended to the config's.
    pub extra: Vec<String>,
    /// The config file that it was started by.
    pub config: PathBuf,
    /// The port for SSH; the picked one if the config said `auto`.
    pub ssh_port: u16,
    /// The named ports of the config; for `auto`, the picked port.
    #[serde(default)]
    pub ports: BTreeMap<String, u16>,
    /// The options for OpenSSH, which the config may no longer contain later.
    #[serde(default)]
    pub ssh_options: Vec<(String, Vec<String>)>,
}

impl Launch {
    /// The record for a start now; `extra` is what was appended to the config's arguments.
    pub fn new(config: &Config, vm: &Vm, line: &CommandLine, extra: &[String]) -> Launch {
        Launch {
            argv: line.words(),
            extra: extra.to_owned(),
            config: config.file.source.path.clone(),
            ssh_port: vm.ssh.port,
            ports: vm.ports.clone(),
            ssh_options: vm.ssh.options.clone(),
        }
    }

    /// The record of the VM's latest launch, if there is one.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(dir: &VmDir) -> Result<Option<Launch>, Error> {
        dir.read_record(files::LAUNCH)
    }

    /// The ports of the host that it was started with.
    pub fn ports(&self) -> Ports {
        Ports { ssh: self.ssh_port, named: self.ports.clone() }
    }

    /// Begins a life of the VM: writes the record, and removes what would be mistaken for this
    /// life's. QEMU needs the returned descriptor: see [`VmDir::begin_event_log`].
    ///
    /// # Errors
    /// A record can't be written.
    pub fn begin(&self, dir: &VmDir) -> Result<(Timeline, OwnedFd), Error> {
        dir.clean();
        dir.remove(files::END);
        dir.remove(files::KEEPER_LOG);
        dir.write_record(files::LAUNCH, self)?;
        let timeline = Timeline::begin();
        timeline.write(dir)?;
        Ok((timeline, dir.begin_event_log()?))
    }
}
