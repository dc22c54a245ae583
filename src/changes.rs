//! Changes of files, told by inotify: that there was one, not which.

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The changes of one file or directory, from when it is first watched.
#[derive(Debug)]
pub struct Changes(AsyncFd<OwnedFd>);

impl Changes {
    /// Begins to watch for changes of these kinds.
    ///
    /// # Errors
    /// It can't be watched.
    pub fn of(path: &Path, kinds: WatchFlags) -> io::Result<Changes> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&inotify, path, kinds)?;
        // SAFETY: the AsyncFd owns the descriptor, and nobody takes it out or replaces it.
        let registered = unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE) };
        Ok(Changes(registered?))
    }

    /// Waits for changes since it was last called.
    ///
    /// # Errors
    /// The system does not tell any more.
    pub async fn next(&self) -> io::Result<()> {
        let mut ready = self.0.readable().await?;
        let mut notices = [0; 4096];
        while matches!(rustix::io::read(&self.0, &mut notices), Ok(1..)) {}
        ready.clear_ready();
        Ok(())
    }
}
