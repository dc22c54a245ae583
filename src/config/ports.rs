//! The ports of the host that a VM uses: the one for SSH, and those with a name in the config.

use super::{Config, Error, Instance};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A port of the host, as the config gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Port {
    /// This port.
    Fixed(u16),
    /// A free port, picked at each start.
    Auto,
}

/// The ports of the host that the config wants for a VM.
#[derive(Clone, Debug)]
pub struct WantedPorts {
    ssh: Port,
    named: BTreeMap<String, Port>,
}

/// The ports of the host that a VM uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// The port for SSH.
    pub ssh: u16,
    /// The ports of `[vm.NAME.ports]`.
    pub named: BTreeMap<String, u16>,
}

/// The use of a host port in a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortUse {
    /// SSH.
    Ssh,
    /// The port that the config calls this.
    Named(String),
    /// A port that only QEMU's arguments name.
    Other,
}

impl WantedPorts {
    /// The ports of a VM: the fixed ones, and a call of `free` for each `auto`.
    ///
    /// # Errors
    /// What `free` returns.
    pub fn choose<E>(&self, mut free: impl FnMut() -> Result<u16, E>) -> Result<Ports, E> {
        let mut choose = |port: Port| match port {
            Port::Fixed(port) => Ok(port),
            Port::Auto => free(),
        };
        let ssh = choose(self.ssh)?;
        let named = self.named.iter().map(|(name, port)| Ok((name.clone(), choose(*port)?)));
        Ok(Ports { ssh, named: named.collect::<Result<_, E>>()? })
    }

    /// Whether another start may pick another port for this use.
    pub fn is_auto(&self, port_use: &PortUse) -> bool {
        match port_use {
            PortUse::Ssh => self.ssh == Port::Auto,
            PortUse::Named(name) => self.named.get(name) == Some(&Port::Auto),
            PortUse::Other => false,
        }
    }
}

impl Ports {
    /// The use of one of these ports.
    pub fn use_of(&self, port: u16) -> PortUse {
        let named = self.named.iter().find(|(_, named)| **named == port);
        match named {
            _ if port == self.ssh => PortUse::Ssh,
            Some((name, _)) => PortUse::Named(name.clone()),
            None => PortUse::Other,
        }
    }
}

impl PortUse {
    /// The port in words.
    pub fn describe(&self, port: u16) -> String {
        match self {
            PortUse::Ssh => format!("SSH port {port}"),
            PortUse::Named(name) => format!("port `{name}` ({port})"),
            PortUse::Other => format!("port {port}"),
        }
    }
}

impl Config {
    /// The ports that the config wants for a VM. A throwaway instance picks free ports, since it
    /// runs beside its VM and other instances.
    ///
    /// # Errors
    /// The config has no such VM.
    pub fn wanted_ports(&self, instance: &Instance) -> Result<WantedPorts, Error> {
        let named = self.definition(&instance.definition)?.ports.iter();
        let wanted = |port: Port| if instance.is_run() { Port::Auto } else { port };
        let named = named.map(|(name, port)| (name.clone(), wanted(*port))).collect();
        Ok(WantedPorts { ssh: instance.port, named })
    }
}
