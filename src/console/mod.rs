//! Attaches to a VM's serial port or human monitor: one client at a time, in both directions.

mod awaited;
mod claim;
mod error;
mod escape;
mod port;
mod relay;
mod terminal;
#[cfg(test)]
mod tests;

pub use awaited::Awaited;
pub use error::ConsoleError;
pub use escape::EscapeKey;
pub use port::Port;
pub use relay::{EndedBy, Ends, Failed, Relay};
pub use terminal::Terminal;

use crate::Error;
use crate::config::Instance;
use crate::qmp::Client;
use crate::vm::{self, Running, VmError, running};
use claim::Claim;
use serde_json::json;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long QEMU may take between one client and the next.
const PATIENCE: Duration = Duration::from_secs(2);

/// The right to be attached to a VM's port. Only one process has it, and others can see which.
#[derive(Debug)]
pub struct Hold {
    /// The VM.
    pub vm: Running,
    port: Port,
    claim: Claim,
}

/// Takes the right to be attached to a running VM's port; with `force`, from another qqmgr.
///
/// # Errors
/// The VM is not running, or another qqmgr is attached.
pub async fn hold(instance: &Instance, port: Port, force: bool) -> Result<Hold, Error> {
    let vm = running(instance)?;
    let claim = Claim::take(&vm.dir.file(port.lock()), force).await;
    let claim = claim.map_err(|refusal| refusal.error(&vm.name, port))?;
    Ok(Hold { vm, port, claim })
}

impl Hold {
    /// The process that has taken the port from us, if one has.
    pub fn successor(&self) -> Option<u32> {
        self.claim.successor()
    }

    /// Sends a break to the guest; Linux then reads a SysRq key (QEMU QMP Reference,
    /// `chardev-send-break`).
    ///
    /// # Errors
    /// QEMU can't send it.
    pub async fn send_break(&self) -> Result<(), Error> {
        let send = async |client: &mut Client| {
            client.execute("chardev-send-break", Some(json!({ "id": vm::SERIAL_CHARDEV }))).await
        };
        self.vm.qmp(PATIENCE, send).await.map(drop)
    }

    /// Connects to the port.
    ///
    /// # Errors
    /// Another program is attached, or QEMU can't be reached.
    pub async fn connect(&self) -> Result<UnixStream, Error> {
        let (vm, port) = (&self.vm.name, self.port);
        let stream = self.vm.dial(port.socket(), PATIENCE).await;
        let stream = stream.map_err(|error| {
            Error::from(VmError::System { vm: vm.clone(), action: "connect to QEMU", error })
        })?;
        stream.ok_or_else(|| ConsoleError::Held { vm: vm.clone(), port, pid: None }.into())
    }
}
