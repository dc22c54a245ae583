//! A VM as a host of OpenSSH's: where it is, and the block for `~/.ssh/config` that says so.

use super::config::Way;
use crate::Error;
use crate::config::{Config, Instance, Port, Ports, Ssh};
use crate::ssh::SshError;
use crate::vm::{Launch, VmDir};
use serde::Serialize;

/// How plain OpenSSH reaches a VM.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// The name that it is reached by: the VM's.
    pub name: String,
    /// Its address, as OpenSSH's `HostName`.
    pub host: String,
    /// Its port there.
    pub port: u16,
    /// The block for `~/.ssh/config`.
    pub config: String,
    /// Why its sessions share no connection, if they should.
    #[serde(skip)]
    pub unshared: Option<String>,
}

impl Host {
    /// The VM's block; a port `auto` is known while the VM runs.
    ///
    /// # Errors
    /// The port is not known, its SSH options can't be resolved or the VM's directory is refused.
    pub fn of(config: &Config, instance: &Instance) -> Result<Host, Error> {
        let name = instance.name.clone();
        let dir = VmDir::create(instance)?;
        let running = dir.process()?.is_some();
        let ports = match running {
            true => ports(instance, &dir)?,
            false => fixed(instance),
        };
        let ports = ports.ok_or_else(|| Error::from(SshError::PortUnknown { vm: name.clone() }))?;
        let ssh = way(config, instance, &ports, &dir)?;
        let port = ssh.port;
        let host = ssh.value("HostName").unwrap_or("127.0.0.1").to_owned();
        let way = Way::of(&name, &ssh, &dir);
        let (config, unshared) = (way.block(&name), way.obstacle());
        Ok(Host { name, host, port, config, unshared })
    }
}

/// How SSH reaches a VM that has these ports: as the config says now, or as it said when the VM was started
/// that it no longer defines.
///
/// # Errors
/// Its SSH options can't be resolved.
pub fn way(config: &Config, instance: &Instance, ports: &Ports, dir: &VmDir) -> Result<Ssh, Error> {
    match Launch::read(dir)? {
        Some(launch) if !instance.is_defined() => {
            Ok(Ssh { port: ports.ssh, vm_port: 22, options: launch.ssh_options })
        }
        _ => Ok(config.resolve_ssh(instance, ports)?),
    }
}

/// The ports of a VM that runs: those that it was started with.
///
/// # Errors
/// What it was started with can't be read.
pub fn ports(instance: &Instance, dir: &VmDir) -> Result<Option<Ports>, Error> {
    Ok(Launch::read(dir)?.map(|launch| launch.ports()).or_else(|| fixed(instance)))
}

/// What the config alone tells of a VM's ports.
fn fixed(instance: &Instance) -> Option<Ports> {
    match instance.port {
        Port::Fixed(ssh) => Some(Ports { ssh, ..Ports::default() }),
        Port::Auto => None,
    }
}
