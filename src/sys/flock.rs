//! Waits for a lock while other tasks go on.

use rustix::fs::{FlockOperation, flock};
use std::io;
use std::os::fd::OwnedFd;
use tokio::sync::oneshot;

/// Waits for the lock on a file (flock(2)), which lasts as long as the descriptor is open.
///
/// # Errors
/// The file can't be locked, or no thread can be started.
pub async fn exclusive(file: OwnedFd) -> io::Result<OwnedFd> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => return Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {}
        Err(error) => return Err(error.into()),
    }
    // On its own thread: it sleeps in the kernel until it has the lock, and may be abandoned.
    let (turn, waiting) = oneshot::channel();
    let wait = move || {
        let locked = flock(&file, FlockOperation::LockExclusive);
        let _ = turn.send(locked.map(|()| file).map_err(io::Error::from));
    };
    std::thread::Builder::new().spawn(wait)?;
    waiting.await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
}
