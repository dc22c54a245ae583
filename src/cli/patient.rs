//! Streams that others have too. OpenSSH sets `O_NONBLOCK` on those that it is given, which is a flag
//! of the open file: all processes that have the same pipe find it set.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

/// A stream that is written to as if it blocked, whatever others have set on it.
///
/// std::io::copy would splice, which sets the position in a file back to where it was before: others
/// may have written there meanwhile.
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

/// Waits until there is something to be read, or nothing will come any more.
///
/// # Errors
/// It can't be waited for.
pub fn readable(fd: BorrowedFd<'_>) -> io::Result<()> {
    wait(fd, PollFlags::IN)
}

fn wait(fd: BorrowedFd<'_>, wanted: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(&fd, wanted)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
