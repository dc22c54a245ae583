//! The record of a VM's launch: what it was started with, for as long as it runs.
//!
//! Its file is also the VM's first sign of life: see [`super::dir::VmDir::process`].

use super::dir::VmDir;
use crate::Error;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The record's name in the VM's directory.
pub const FILE: &str = "launch.json";

/// What a VM was started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Launch {
    /// The command line, the program first.
    pub argv: Vec<String>,
    /// The arguments among them that were appended to the config's.
    pub extra: Vec<String>,
    /// The config file that it was started by.
    pub config: PathBuf,
    /// The port for SSH, picked if the config said `auto`.
    pub ssh_port: u16,
}

impl Launch {
    /// The record of the VM's latest launch, if there is a whole one.
    pub fn read(dir: &VmDir) -> Option<Launch> {
        let text = std::fs::read(dir.file(FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Puts the record in place of the one before, whole or not at all.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, dir: &VmDir) -> Result<(), Error> {
        dir.write_record(FILE, self)
    }
}
