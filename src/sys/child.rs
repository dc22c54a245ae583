//! Children that are of no use without us, and end when we do, whatever ends us; and what they say,
//! within bounds.

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use tokio::io::{AsyncRead, AsyncReadExt};

/// As much is kept of what a child says that a guest may have made speak without end.
const LAST: usize = 64 << 10;

/// Has the kernel end the command's process when the thread that starts it ends; what that has put
/// in the background meanwhile, as ssh does with a shared connection, lives on.
pub fn ending_with_us(mut command: Command) -> Command {
    let us = getpid();
    // SAFETY: the closure runs between fork and exec; all that it does is system calls.
    unsafe { command.pre_exec(move || end_with(us, Signal::TERM)) };
    command
}

/// Has the kernel send us a signal when the thread of our parent `parent` that forked us ends.
///
/// # Errors
/// It was gone before the kernel was told: too late for its signal.
pub fn end_with(parent: Pid, signal: Signal) -> io::Result<()> {
    set_parent_process_death_signal(Some(signal))?;
    match getppid() == Some(parent) {
        true => Ok(()),
        false => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// Reads to the end of a stream and keeps the end of it.
///
/// # Errors
/// It can't be read.
pub async fn last_of(mut stream: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut last = Vec::new();
    while stream.read_buf(&mut last).await? > 0 {
        if last.len() > 2 * LAST {
            last.drain(..last.len() - LAST);
        }
    }
    last.drain(..last.len().saturating_sub(LAST));
    Ok(last)
}

/// The exit code that a shell would tell of a program.
pub fn exit_code(status: ExitStatus) -> u8 {
    let killed = || status.signal().map_or(255, |signal| 128 + signal);
    u8::try_from(status.code().unwrap_or_else(killed)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_end() {
        for length in [0, 5, LAST, LAST + 1, 5 * LAST] {
            let bytes: Vec<_> = (0..length).map(|at| (at % 251) as u8).collect();
            let last = last_of(bytes.as_slice()).await.unwrap();
            assert_eq!(last, bytes[length.saturating_sub(LAST)..]);
        }
    }
}
