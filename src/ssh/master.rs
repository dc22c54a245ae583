//! The connections that a VM's sessions share: finds their sockets, and ends them.
//!
//! Each config that a running VM is reached with has its own connection. After the config changes,
//! the old connection ends when it is idle for a while, or when the VM stops.

use super::config;
use crate::sys::{clock, short_socket};
use crate::vm::{History, VmDir};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long it may take to tell the masters to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the VM has a shared connection.
pub fn is_there(dir: &VmDir) -> bool {
    live(dir).next().is_some()
}

/// Ends the shared connections of a VM, if it has any.
pub async fn close(vm: &str, dir: &VmDir) {
    let config_file = dir.file(config::FILE);
    if !config_file.exists() {
        return;
    }
    // The config's own ControlPath may be a file of the user's.
    let of_config = tell(&config_file, None, "exit", vm);
    // Mostly there is no master, and ssh says so. A master that can't be told ends with the VM.
    tell_all([of_config].into_iter().chain(at_sockets(live(dir), "exit", vm))).await;
}

fn at_sockets(
    sockets: impl Iterator<Item = PathBuf>,
    what: &str,
    vm: &str,
) -> impl Iterator<Item = Command> {
    sockets.map(move |socket| tell(Path::new("/dev/null"), Some(&socket), what, vm))
}

async fn tell_all(commands: impl Iterator<Item = Command>) {
    let told: Vec<_> = commands.filter_map(|mut command| command.spawn().ok()).collect();
    let all = async {
        for mut told in told {
            let _ = told.wait().await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, all).await;
}

/// Stops new sessions from sharing a connection that was made before a reset, or before the machine
/// paused and resumed, for example to load a snapshot: the guest may no longer know it. Sessions
/// that already share it keep it.
pub async fn drop_stale(vm: &str, dir: &VmDir, history: &History) {
    let Some(since) = history.reset_at.max(history.resumed_at) else {
        return;
    };
    let is_stale = |socket: &PathBuf| clock::written(socket).is_some_and(|made| made < since);
    let stale = live(dir).filter(is_stale);
    tell_all(at_sockets(stale, "stop", vm)).await;
}

/// Makes ssh give a command to a master: the config's own, or the one at this socket.
fn tell(config_file: &Path, socket: Option<&Path>, what: &str, vm: &str) -> Command {
    let mut command = Command::new("ssh");
    command.arg("-F").arg(config_file);
    if let Some(socket) = socket {
        command.arg("-S").arg(config::escape(socket));
    }
    command.args(["-O", what, vm]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// The sockets on which a master listens.
fn live(dir: &VmDir) -> impl Iterator<Item = PathBuf> {
    let sockets = short_socket::all(&dir.file("")).into_iter();
    sockets.filter(|socket| UnixStream::connect(socket).is_ok())
}
