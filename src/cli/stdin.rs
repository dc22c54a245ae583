//! Standard input that works even if another process has made the pipe non-blocking.

use super::patient::readable;
use crate::Error;
use crate::error::cant;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};

/// Standard input; a read waits until there is input.
pub struct Stdin {
    inner: tokio::io::Stdin,
    awaited: Option<JoinHandle<io::Result<()>>>,
}

impl Stdin {
    pub fn new() -> Stdin {
        Stdin { inner: tokio::io::stdin(), awaited: None }
    }
}

/// All of standard input, as text.
///
/// # Errors
/// It can't be read, or is not UTF-8.
pub async fn all() -> Result<String, Error> {
    let mut text = String::new();
    let read = Stdin::new().read_to_string(&mut text).await;
    read.map_err(cant("read", Path::new("standard input")))?;
    Ok(text)
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(awaited) = &mut self.awaited {
                let awaited = ready!(Pin::new(awaited).poll(context));
                self.awaited = None;
                awaited.map_err(io::Error::other).flatten()?;
            }
            match ready!(Pin::new(&mut self.inner).poll_read(context, buffer)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.awaited = Some(spawn_blocking(|| readable(rustix::stdio::stdin())));
                }
                result => return Poll::Ready(result),
            }
        }
    }
}
