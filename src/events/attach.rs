//! A listener's way to the relay: the one that is there, or one that it starts.

use super::relay::{LOCK, RELAY, SOCKET};
use crate::vm::VmDir;
use crate::{helper, process};
use rustix::fs::FlockOperation;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Child;
use std::sync::Arc;

/// What comes from a relay.
pub type Lines = tokio::io::Lines<tokio::io::BufReader<tokio::net::UnixStream>>;

/// Connects to the relay, starting one where there is none.
pub async fn connect(dir: Arc<VmDir>) -> io::Result<tokio::net::UnixStream> {
    let (result, connected) = tokio::sync::oneshot::channel();
    // A thread of its own: it may have to wait for others who start a relay too, and stays to
    // reap the relay if that ends first.
    std::thread::Builder::new().spawn(move || match connect_or_start(&dir) {
        Ok((stream, relay)) => {
            let _ = result.send(Ok(stream));
            let _ = relay.map(|mut relay| relay.wait());
        }
        Err(error) => {
            let _ = result.send(Err(error));
        }
    })?;
    let stream = connected.await.map_err(io::Error::other)??;
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}

fn connect_or_start(dir: &VmDir) -> io::Result<(UnixStream, Option<Child>)> {
    if let Some(stream) = connect_to(dir)? {
        return Ok((stream, None));
    }
    let lock = open_lock(dir)?;
    // Relays are started and retire one at a time.
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    if let Some(stream) = connect_to(dir)? {
        return Ok((stream, None));
    }
    let listener = bind(dir)?;
    // The socket listens already: nobody has to wait until the relay does something with it.
    let stream = UnixStream::connect(dir.socket(SOCKET))?;
    let relay = spawn(dir, listener).inspect_err(|_| dir.remove(SOCKET))?;
    Ok((stream, Some(relay)))
}

/// The lock file: whoever holds its flock may start a relay or retire as one, and a relay
/// holds the POSIX lock for as long as it lives.
pub fn open_lock(dir: &VmDir) -> io::Result<OwnedFd> {
    process::open_lock(&dir.file(LOCK))
}

fn connect_to(dir: &VmDir) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(dir.socket(SOCKET)) {
        Ok(stream) => Ok(Some(stream)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Listens on the socket, in place of what a killed relay has left.
fn bind(dir: &VmDir) -> io::Result<UnixListener> {
    dir.remove(SOCKET);
    let listener = UnixListener::bind(dir.socket(SOCKET))?;
    dir.tighten();
    Ok(listener)
}

/// The relay finds the listening socket on its standard input.
fn spawn(dir: &VmDir, listener: UnixListener) -> io::Result<Child> {
    helper::command(RELAY, dir.path()).stdin(OwnedFd::from(listener)).spawn()
}
