//! The connections that a VM's sessions share: where their sockets are, and ending them.
//!
//! There is one for each way in which the VM was reached while it ran: a config that has changed
//! gets another one, and the one before ends when it has not been used for a while, or the VM stops.

use super::config;
use crate::vm::VmDir;
use crate::{Error, short_socket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long the masters may take to be told to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the path begins of the sockets for shared connections of the VM in `dir` that are made by
/// this `config`.
///
/// # Errors
/// The directory of such sockets can't be made, or is not the user's own.
pub fn control_path(dir: &VmDir, config: &str) -> Result<PathBuf, Error> {
    short_socket::path_for(&dir.file(""), config)
}

/// Whether the VM has a shared connection.
pub fn is_there(dir: &VmDir) -> bool {
    live(dir).next().is_some()
}

/// Ends the shared connections of a VM, if it was ever reached and there are some.
pub async fn close(vm: &str, dir: &VmDir) {
    let config_file = dir.file(config::FILE);
    if !config_file.exists() {
        return;
    }
    // What the config names last may be a path of the user's own.
    let mut exits = vec![exit(&config_file, None, vm)];
    exits.extend(live(dir).map(|socket| exit(Path::new("/dev/null"), Some(&socket), vm)));
    let ends: Vec<_> = exits.iter_mut().filter_map(|exit| exit.spawn().ok()).collect();
    let ended = async {
        for mut end in ends {
            // Mostly there is no master, and ssh says so.
            let _ = end.wait().await;
        }
    };
    // One that can't be told ends with the VM's port.
    let _ = tokio::time::timeout(PATIENCE, ended).await;
}

/// Has ssh tell a master to end: that of the config, or the one at this socket.
fn exit(config_file: &Path, socket: Option<&Path>, vm: &str) -> Command {
    let mut command = Command::new("ssh");
    command.arg("-F").arg(config_file);
    if let Some(socket) = socket {
        command.arg("-S").arg(config::escape(socket));
    }
    command.args(["-O", "exit", vm]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// The sockets at which a master listens.
fn live(dir: &VmDir) -> impl Iterator<Item = PathBuf> {
    let sockets = short_socket::all(&dir.file("")).into_iter();
    sockets.filter(|socket| UnixStream::connect(socket).is_ok())
}
