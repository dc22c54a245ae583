//! The connection that a VM's sessions share: where its socket is, and ending it.

use super::config;
use crate::vm::VmDir;
use crate::{Error, short_socket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// How long the master may take to be told to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket for the shared connection of the VM in `dir`.
///
/// # Errors
/// The directory of such sockets can't be made, or is not the user's own.
pub fn socket(dir: &VmDir) -> Result<PathBuf, Error> {
    short_socket::path(&dir.file(""))
}

/// Whether the VM has a shared connection.
pub fn is_there(dir: &VmDir) -> bool {
    socket(dir).is_ok_and(|socket| UnixStream::connect(socket).is_ok())
}

/// Ends the shared connection of a VM, if it was ever reached and there is one.
pub async fn close(vm: &str, dir: &VmDir) {
    let config_file = dir.file(config::FILE);
    if !config_file.exists() {
        return;
    }
    let mut command = tokio::process::Command::new("ssh");
    command.arg("-F").arg(config_file).args(["-O", "exit", vm]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // Mostly there is no master, and ssh says so; one that can't be told ends with the VM's port.
    let _ = tokio::time::timeout(PATIENCE, command.status()).await;
}
