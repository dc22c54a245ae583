//! Streams that other processes share. OpenSSH sets `O_NONBLOCK` on its streams. That is a flag of
//! the open file, so it also affects qqmgr if it has the same pipe.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

/// A stream whose writes block, even if another process has made it non-blocking.
///
/// std::io::copy would splice. Splicing sets a file's position back to where it was before, and
/// another process may have written there meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Patient<'a>(pub BorrowedFd<'a>);

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.0, bytes) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait(self.0, PollFlags::OUT)?,
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until there is something to read, or the stream has ended.
///
/// # Errors
/// The stream can't be polled.
pub fn readable(fd: BorrowedFd<'_>) -> io::Result<()> {
    wait(fd, PollFlags::IN)
}

fn wait(fd: BorrowedFd<'_>, wanted: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(&fd, wanted)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
