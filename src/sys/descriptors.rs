//! File descriptors: how many there are to work with, and those that whoever started this process
//! has left open. A pipe that somebody reads to its end, or a lock that is to last as long as its
//! holder, must not live on in what we start.

use rustix::io::FdFlags;
use rustix::process::{Resource, getrlimit};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// As many are for all else.
const OTHERS: usize = 20;

/// How many things can be done side by side that take `each` so many.
pub fn at_once(each: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    (limit.saturating_sub(OTHERS) / each).max(1)
}

/// Waits until there is something to read.
///
/// # Errors
/// It can't be polled.
pub async fn readable(fd: OwnedFd) -> io::Result<()> {
    // SAFETY: the AsyncFd owns the descriptor.
    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    let _ready = fd.map_err(io::Error::from)?.readable().await?;
    Ok(())
}

/// Those above standard error. What we open ourselves is closed when another program is executed,
/// so these are what that would inherit.
pub fn inherited() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_inherited = |fd: &RawFd| {
        // SAFETY: the descriptor is asked and not used; one that is closed by now is an error.
        let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
        rustix::io::fcntl_getfd(fd).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC))
    };
    open.filter(|fd| *fd > 2).filter(is_inherited).collect()
}
