//! Standard output, which can be full or closed: no verb stops its work for that, and no verb
//! succeeds if its results were lost.

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

/// Whether a thread is writing; it does not end as long as nothing reads.
static UNDERWAY: AtomicBool = AtomicBool::new(false);

/// Standard output without a buffer.
pub fn stream() -> Patient<'static> {
    Patient(rustix::stdio::stdout())
}

/// Writes everything at once: line by line, a table of a thousand VMs would be a thousand writes.
/// False if it failed; then [`checked`] reports that at the end.
pub fn write(bytes: &[u8]) -> bool {
    if UNDERWAY.load(Ordering::Relaxed) {
        return give_up();
    }
    // The progress line may be on the same terminal.
    progress::aside(|| stream().write_all(bytes)).map_err(failed).is_ok()
}

/// The same with a time limit, which also works if nothing reads. A write that is cancelled is the
/// last one.
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

/// Standard output that another thread writes to, so that a full pipe does not block this one.
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

/// Records that a cancelled write, if there was one, has lost its output; false if so.
pub fn give_up() -> bool {
    let lost = UNDERWAY.load(Ordering::Relaxed);
    if lost {
        failed(io::ErrorKind::TimedOut.into());
    }
    !lost
}

/// Records a failed write.
pub fn failed(error: io::Error) {
    // The first of several failures is the cause.
    let _ = FAILURE.set(error);
}

/// The exit code: `code` if everything was written. Otherwise it prints why not, and `failure`
/// replaces success.
pub fn checked(code: ExitCode, failure: ExitCode) -> ExitCode {
    match FAILURE.get() {
        // The reader closed the pipe and wants no more: that is no failure.
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

/// Waits until the reader of our output has closed the pipe; forever if it is not a pipe.
pub async fn reader_left() {
    let stdout = io::stdout();
    // SAFETY: standard output stays open as long as the program runs.
    let stdout = unsafe { AsyncFd::register_with_interest(stdout.as_fd(), Interest::ERROR) };
    if let Ok(stdout) = stdout
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
