//! A VM's QMP: connecting to the right process, within a bounded time, and saying what failed.

use super::dir::VmDir;
use crate::Error;
use crate::process::Process;
use crate::qmp::{self, Client};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::Instant;

/// A VM's living process with its directory, to talk to.
#[derive(Debug)]
pub struct Control<'a> {
    /// The VM's name, for messages.
    pub vm: &'a str,
    /// Its directory.
    pub dir: &'a VmDir,
    /// Its process.
    pub process: &'a Process,
}

impl Control<'_> {
    /// Runs `exchange` on a fresh QMP connection, connecting included, within `patience`.
    ///
    /// # Errors
    /// QMP does not answer in time, answers nonsense or hangs up.
    pub async fn qmp<T>(
        &self,
        patience: Duration,
        exchange: impl AsyncFnOnce(&mut Client) -> Result<T, qmp::Error>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + patience;
        let connecting = connect_qmp(self.dir, "qmp.socket", self.process);
        let mut client = match tokio::time::timeout_at(deadline, connecting).await {
            Ok(result) => result.map_err(|error| self.failed(error))?,
            Err(_) => {
                let held = is_held(&self.dir.file("qmp.socket"));
                return Err(self.timed_out(patience, held));
            }
        };
        match tokio::time::timeout_at(deadline, exchange(&mut client)).await {
            Ok(result) => result.map_err(|error| self.failed(error)),
            Err(_) => Err(self.timed_out(patience, false)),
        }
    }

    fn failed(&self, error: qmp::Error) -> Error {
        Error::Qmp { vm: self.vm.to_owned(), pid: self.process.pid(), error }
    }

    fn timed_out(&self, waited: Duration, held: bool) -> Error {
        Error::QmpTimeout { vm: self.vm.to_owned(), pid: self.process.pid(), waited, held }
    }
}

/// A QMP client on one of the sockets in `dir`, if it is `process` that listens there.
///
/// # Errors
/// Nobody listens, somebody else does, or the handshake fails.
pub async fn connect_qmp(
    dir: &VmDir,
    socket: &str,
    process: &Process,
) -> Result<Client, qmp::Error> {
    let stream = open(dir, socket).await?;
    // A stale path may be another VM's by now: the credentials are the listener's (unix(7)).
    let peer = rustix::net::sockopt::socket_peercred(&stream).map_err(io::Error::from)?;
    if peer.pid.as_raw_nonzero().get().unsigned_abs() != process.pid() {
        let other = io::Error::other("the socket belongs to another process");
        return Err(qmp::Error::Io(other));
    }
    Client::handshake(stream).await
}

/// A connection to a QMP socket in `dir`, with nothing said yet.
///
/// # Errors
/// Nobody listens.
pub async fn open(dir: &VmDir, socket: &str) -> Result<UnixStream, qmp::Error> {
    UnixStream::connect(dir.socket(socket)).await.map_err(qmp::Error::Io)
}

/// Whether QEMU has accepted a client on this socket, one that is not ours: the kernel lists
/// such a connection under the listener's path in state 03 (`SS_CONNECTED`), and one that still
/// waits to be accepted in state 02.
fn is_held(socket: &Path) -> bool {
    let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let socket = socket.to_string_lossy();
    table.lines().any(|line| {
        let mut fields = line.splitn(6, ' ').skip(5);
        // What is left: the state, the inode (padded) and the path, which may have spaces.
        let connected = fields.next().and_then(|rest| rest.strip_prefix("03 "));
        let path = connected.and_then(|rest| rest.trim_start().split_once(' '));
        path.is_some_and(|(_, path)| is_path_of(&socket, path))
    })
}

/// QEMU may have been given a path relative to the config's directory.
fn is_path_of(socket: &str, path: &str) -> bool {
    match path.starts_with('/') {
        true => socket == path,
        false => socket.strip_suffix(path).is_some_and(|dir| dir.ends_with('/')),
    }
}
