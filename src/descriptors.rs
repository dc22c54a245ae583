//! The descriptors that whoever started this process has left open: a pipe that somebody reads to
//! its end, or a lock that is to last as long as its holder, must not live on in what we start.

use rustix::io::FdFlags;
use std::os::fd::{BorrowedFd, RawFd};

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
