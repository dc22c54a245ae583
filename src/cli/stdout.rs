//! Standard output, which can be full or closed: no verb breaks off its work for that, and none
//! succeeds whose results got lost.

use super::patient::Patient;
use super::progress;
use crate::error::plain;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncWrite, AsyncWriteExt, Interest};
use tokio::task::{JoinHandle, spawn_blocking};

/// The first write that failed.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// A thread of its own writes: as long as nobody reads, for ever.
static UNDERWAY: AtomicBool = AtomicBool::new(false);

/// Standard output as it is: nothing is kept back to be written later.
pub fn stream() -> Patient<'static> {
    Patient(rustix::stdio::stdout())
}

/// Writes it at once: line by line, a table of a thousand VMs would be a thousand writes.
/// Whether it could be written; if not, [`checked`] tells at the end.
pub fn write(bytes: &[u8]) -> bool {
    if UNDERWAY.load(Ordering::Relaxed) {
        return give_up();
    }
    // They may be of one terminal.
    progress::aside(|| stream().write_all(bytes)).map_err(failed).is_ok()
}

/// The same for what has a time limit, which holds even if nobody reads. Given up in the middle, it is
/// the last that is written.
pub async fn write_in_time(bytes: &[u8]) -> bool {
    UNDERWAY.store(true, Ordering::Relaxed);
    let mut stdout = Waiting::default();
    let written = async {
        stdout.write_all(bytes).await?;
        stdout.flush().await
    };
    let written = written.await;
    UNDERWAY.store(false, Ordering::Relaxed);
    written.map_err(failed).is_ok()
}

/// Standard output that a thread writes to, so that others can go on.
#[derive(Default)]
pub struct Waiting(Option<JoinHandle<io::Result<()>>>);

impl AsyncWrite for Waiting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().poll_flush(context))?;
        let (length, bytes) = (bytes.len(), bytes.to_vec());
        self.0 = Some(spawn_blocking(move || stream().write_all(&bytes)));
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(underway) = &mut self.0 else { return Poll::Ready(Ok(())) };
        let written = ready!(Pin::new(underway).poll(context));
        self.0 = None;
        Poll::Ready(written.map_err(io::Error::other).flatten())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// Notes that what was given up in the middle, if anything was, is lost.
pub fn give_up() -> bool {
    let lost = UNDERWAY.load(Ordering::Relaxed);
    if lost {
        failed(io::ErrorKind::TimedOut.into());
    }
    !lost
}

/// Notes that something could not be written.
pub fn failed(error: io::Error) {
    // Of several failures the first tells why.
    let _ = FAILURE.set(error);
}

/// The code to exit with, as all that was to be written was: `code`; else, having told why,
/// `failure` in place of success.
pub fn checked(code: ExitCode, failure: ExitCode) -> ExitCode {
    match FAILURE.get() {
        // Whoever closed the pipe wants no more: that is no failure of ours.
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            super::stderr::failure(format_args!(
                "can't write to standard output: {}",
                plain(error)
            ));
            if code == ExitCode::SUCCESS { failure } else { code }
        }
        _ => code,
    }
}

/// Waits until whoever reads our output has closed the pipe; for ever if it is none.
pub async fn reader_left() {
    let stdout = io::stdout();
    // SAFETY: standard output stays open for as long as the program runs.
    let stdout = unsafe { AsyncFd::register_with_interest(stdout.as_fd(), Interest::ERROR) };
    if let Ok(stdout) = stdout
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
