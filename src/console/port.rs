//! The ports of a VM that a user can attach to.

use crate::vm::files;
use std::fmt;

/// A port of a VM that a user can attach to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The guest's serial port.
    Serial,
    /// QEMU's human monitor.
    Monitor,
}

impl Port {
    /// Its socket in the VM's directory.
    pub fn socket(self) -> &'static str {
        match self {
            Port::Serial => files::SERIAL_SOCKET,
            Port::Monitor => files::MONITOR_SOCKET,
        }
    }

    /// The file whose lock shows who is attached.
    pub(super) fn lock(self) -> &'static str {
        match self {
            Port::Serial => "console.lock",
            Port::Monitor => "monitor.lock",
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Port::Serial => "serial port",
            Port::Monitor => "monitor",
        })
    }
}
