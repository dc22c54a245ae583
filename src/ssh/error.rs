//! Why SSH can't reach a guest, or a file was not copied.

use crate::error::{colon, faults};

/// Why SSH can't reach a guest, or a file was not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SshError {
    /// The port for SSH is picked at each start, and the VM is not running.
    #[error("VM `{vm}` is not running, and its SSH port is picked when it starts")]
    PortUnknown {
        /// The VM.
        vm: String,
    },
    /// The guest has its own address, and neither its agent nor the host's table has it.
    #[error("VM `{vm}`: the guest's address is not known yet")]
    AddressUnknown {
        /// The VM.
        vm: String,
    },
    /// The guest does not run, so it can't answer.
    #[error("VM `{vm}`: the guest can't answer: {state}")]
    GuestNotRunning {
        /// The VM.
        vm: String,
        /// Its state, and what helps.
        state: String,
    },
    /// The guest has no tar, which copies directories with their links.
    #[error("VM `{vm}`: the guest has no `tar`, which --links needs")]
    NoTar {
        /// The VM.
        vm: String,
    },
    /// A file was not copied into or out of the guest.
    #[error("VM `{vm}`: `{what}` was not copied{}", colon(reason))]
    NotCopied {
        /// The VM.
        vm: String,
        /// The file.
        what: String,
        /// What scp said, sanitised.
        reason: String,
    },
}

faults!(SshError {
    SshError::PortUnknown { .. } => "ssh_port_unknown", State;
    SshError::AddressUnknown { .. } => "ssh_address_unknown", State;
    SshError::GuestNotRunning { .. } => "guest_not_running", State;
    SshError::NoTar { .. } => "no_tar", Failed;
    SshError::NotCopied { .. } => "not_copied", Failed;
}
fn hint(&self) -> Option<String> {
    match self {
        SshError::PortUnknown { vm } => {
            Some(format!("start it: qqmgr start {vm}; or set its port in the config"))
        }
        SshError::AddressUnknown { vm } => Some(format!("wait until it is up: qqmgr start {vm} --wait")),
        SshError::NoTar { .. } => {
            Some("without --links, scp copies the files that links point to".to_owned())
        }
        SshError::GuestNotRunning { .. } | SshError::NotCopied { .. } => None,
    }
});
