//! Why qqmgr can't attach to a port, or lost it.

use super::port::Port;
use crate::error::faults;
use crate::text::duration;
use std::time::Duration;

/// Why qqmgr can't attach to a port, or lost it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsoleError {
    /// Another program is attached.
    #[error("VM `{vm}`: its {port} is in use by {}", user(*pid))]
    Held {
        /// The VM.
        vm: String,
        /// The port.
        port: Port,
        /// The qqmgr that is attached; `None` for another program.
        pid: Option<u32>,
    },
    /// Another qqmgr took over the port.
    #[error("VM `{vm}`: another qqmgr (pid {pid}) took over its {port}")]
    Taken {
        /// The VM.
        vm: String,
        /// The port.
        port: Port,
        /// The qqmgr that has it now.
        pid: u32,
    },
    /// The port's output did not match in time.
    #[error("VM `{vm}`: the session on its {port} timed out after {}", duration::format(*waited))]
    TimedOut {
        /// The VM.
        vm: String,
        /// The port.
        port: Port,
        /// How long we waited.
        waited: Duration,
    },
    /// QEMU's human monitor has no such command.
    #[error("VM `{vm}`: QEMU's monitor has no command `{command}`")]
    UnknownCommand {
        /// The VM.
        vm: String,
        /// The whole line.
        command: String,
    },
}

faults!(ConsoleError {
    ConsoleError::Held { .. } => "console_held", Failed;
    ConsoleError::Taken { .. } => "console_taken", Failed;
    ConsoleError::TimedOut { .. } => "console_timeout", Timeout;
    ConsoleError::UnknownCommand { .. } => "monitor_command_unknown", Failed;
}
fn hint(&self) -> Option<String> {
    match self {
        ConsoleError::Held { pid: Some(_), .. } => Some("to take it over, add --force".into()),
        ConsoleError::Held { port, .. } => Some(format!(
            "close the other client: QEMU serves only one on {}",
            port.socket()
        )),
        ConsoleError::UnknownCommand { vm, .. } => {
            Some(format!("`qqmgr monitor {vm} help` lists them"))
        }
        _ => None,
    }
});

fn user(pid: Option<u32>) -> String {
    pid.map_or("another program".to_owned(), |pid| format!("another qqmgr (pid {pid})"))
}
