//! File descriptors: how many this process may use, and which it inherited. A process that qqmgr
//! starts must not inherit them: it would keep open a pipe that is read to its end, or a lock that
//! lasts as long as its descriptor.

use rustix::io::FdFlags;
use rustix::process::{Resource, getrlimit};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How many are reserved for everything else.
const OTHERS: usize = 20;

/// How many operations can run side by side if each takes `each` descriptors.
pub fn at_once(each: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    (limit.saturating_sub(OTHERS) / each).max(1)
}

/// Waits until there is something to read.
///
/// # Errors
/// The descriptor can't be polled.
pub async fn readable(fd: OwnedFd) -> io::Result<()> {
    // SAFETY: the AsyncFd owns the descriptor.
    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    let _ready = fd.map_err(io::Error::from)?.readable().await?;
    Ok(())
}

/// The descriptors above standard error that another program would inherit. What we open ourselves
/// is closed on exec.
pub fn inherited() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_inherited = |fd: &RawFd| {
        // SAFETY: the descriptor is only queried; if it is closed by now, the call fails.
        let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
        rustix::io::fcntl_getfd(fd).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC))
    };
    open.filter(|fd| *fd > 2).filter(is_inherited).collect()
}
