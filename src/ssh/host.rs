//! A VM as a host for OpenSSH: its address, and its block for `~/.ssh/config`.

use super::config::Way;
use crate::Error;
use crate::config::{Config, Instance, Port, Ports, Ssh};
use crate::ssh::SshError;
use crate::vm::{self, Launch, Running, VmDir};
use serde::Serialize;

/// The option that names another address than this host's.
pub const HOST_NAME: &str = "HostName";

/// How plain OpenSSH reaches a VM.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// The host's name: the VM's.
    pub name: String,
    /// Its address, as OpenSSH's `HostName`.
    pub host: String,
    /// Its port there.
    pub port: u16,
    /// The block for `~/.ssh/config`.
    pub config: String,
    /// Why its sessions can't share a connection, if they should.
    #[serde(skip)]
    pub unshared: Option<String>,
}

impl Host {
    /// The VM's block; a port `auto` is only known while the VM is running.
    ///
    /// # Errors
    /// The port or the address is not known, the SSH options can't be resolved or the VM's
    /// directory is refused.
    pub async fn of(config: &Config, instance: &Instance) -> Result<Host, Error> {
        let name = instance.name.clone();
        let (dir, ssh) = match vm::find_running(instance)? {
            Some(vm) => {
                let ssh = reach(config, instance, &vm).await?;
                (vm.dir, ssh)
            }
            None => {
                let dir = VmDir::create(instance)?;
                let ports = fixed(instance).ok_or(SshError::PortUnknown { vm: name.clone() })?;
                let ssh = way(config, instance, &ports, &dir)?;
                if ssh.value(HOST_NAME) == Some(vm::GUEST) {
                    return Err(SshError::AddressUnknown { vm: name }.into());
                }
                (dir, ssh)
            }
        };
        let (host, port) = (ssh.value(HOST_NAME).unwrap_or("127.0.0.1").to_owned(), ssh.port);
        let way = Way::of(&name, &ssh, &dir);
        let (config, unshared) = (way.block(&name), way.obstacle());
        Ok(Host { name, host, port, config, unshared })
    }
}

/// How SSH reaches a running VM, by its config.
///
/// # Errors
/// The port is not known, or the SSH options can't be resolved.
pub fn configured(config: &Config, instance: &Instance, vm: &Running) -> Result<Ssh, Error> {
    let ports = ports(instance, &vm.dir)?.ok_or_else(|| vm::not_running(instance))?;
    way(config, instance, &ports, &vm.dir)
}

/// How SSH reaches a running VM; finds the guest's address if the config says `guest`.
///
/// # Errors
/// The port or the address is not known, or the SSH options can't be resolved.
pub async fn reach(config: &Config, instance: &Instance, vm: &Running) -> Result<Ssh, Error> {
    let mut ssh = configured(config, instance, vm)?;
    let is_host_name = |keyword: &str| keyword.eq_ignore_ascii_case(HOST_NAME);
    let options = ssh.options.iter_mut().filter(|(keyword, _)| is_host_name(keyword));
    for host in options.filter_map(|(_, values)| values.first_mut()) {
        if host == vm::GUEST {
            let address = vm::address(vm, host).await;
            *host = address.ok_or(SshError::AddressUnknown { vm: instance.name.clone() })?;
        }
    }
    Ok(ssh)
}

/// How SSH reaches a VM that has these ports: as the config says now. If the config no longer
/// defines the VM, as it said at the VM's start.
///
/// # Errors
/// Its SSH options can't be resolved.
fn way(config: &Config, instance: &Instance, ports: &Ports, dir: &VmDir) -> Result<Ssh, Error> {
    match Launch::read(dir)? {
        Some(launch) if !instance.is_defined() => {
            Ok(Ssh { port: ports.ssh, vm_port: 22, options: launch.ssh_options })
        }
        _ => Ok(config.resolve_ssh(instance, ports)?),
    }
}

/// The ports that a running VM was started with.
///
/// # Errors
/// The launch record can't be read.
fn ports(instance: &Instance, dir: &VmDir) -> Result<Option<Ports>, Error> {
    Ok(Launch::read(dir)?.map(|launch| launch.ports()).or_else(|| fixed(instance)))
}

/// The VM's port for SSH, if the config fixes it.
fn fixed(instance: &Instance) -> Option<Ports> {
    match instance.port {
        Port::Fixed(ssh) => Some(Ports { ssh, ..Ports::default() }),
        Port::Auto => None,
    }
}
