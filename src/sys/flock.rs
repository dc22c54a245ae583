//! Waiting for a lock without holding up what else is underway.

use rustix::fs::{FlockOperation, flock};
use std::io;
use std::os::fd::OwnedFd;
use tokio::sync::oneshot;

/// Waits for the lock on a file (flock(2)), which lasts as long as the descriptor is open.
///
/// # Errors
/// The file can't be locked, or there is no thread to wait in.
pub async fn exclusive(file: OwnedFd) -> io::Result<OwnedFd> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => return Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {}
        Err(error) => return Err(error.into()),
    }
    // A thread of its own: it sleeps in the kernel until its turn, and may be left behind.
    let (turn, waiting) = oneshot::channel();
    let wait = move || {
        let locked = flock(&file, FlockOperation::LockExclusive);
        let _ = turn.send(locked.map(|()| file).map_err(io::Error::from));
    };
    std::thread::Builder::new().spawn(wait)?;
    waiting.await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
}
