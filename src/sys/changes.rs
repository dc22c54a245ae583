//! Changes of files, told by inotify: that there was one, not which.

use futures_util::{FutureExt, StreamExt};
use inotify::{EventStream, Inotify, WatchMask};
use std::io;
use std::path::Path;

/// Room for the longest notice: its head and a file's name (inotify(7)).
const BUFFER: usize = 4096;

/// The changes of some files or directories, from when they are first watched.
pub struct Changes(EventStream<Vec<u8>>);

impl Changes {
    /// Begins to watch for changes of these kinds.
    ///
    /// # Errors
    /// One can't be watched.
    pub fn of(paths: &[&Path], kinds: WatchMask) -> io::Result<Changes> {
        let inotify = Inotify::init()?;
        for path in paths {
            inotify.watches().add(path, kinds)?;
        }
        Ok(Changes(inotify.into_event_stream(vec![0; BUFFER])?))
    }

    /// Waits for changes since it was last called. Cancel-safe.
    ///
    /// # Errors
    /// The system does not tell any more.
    pub async fn next(&mut self) -> io::Result<()> {
        let first = self.0.next().await;
        first.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
        while let Some(Some(more)) = self.0.next().now_or_never() {
            more?;
        }
        Ok(())
    }
}
