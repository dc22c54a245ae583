//! Child processes that end when qqmgr ends, however it ends; and their output, limited in size.

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much of a child's output is kept: a guest can make it endless.
const LAST: usize = 64 << 10;

/// Makes the kernel end the command's process when the thread that starts it ends. Its own
/// background processes, such as ssh's shared connection, stay.
pub fn ending_with_us(mut command: Command) -> Command {
    let us = getpid();
    // SAFETY: the closure runs between fork and exec; it only makes system calls.
    unsafe { command.pre_exec(move || end_with(us, Signal::TERM)) };
    command
}

/// Makes the kernel send us a signal when the thread of `parent` that forked us ends.
///
/// # Errors
/// The parent ended before this call, so no signal will come.
pub fn end_with(parent: Pid, signal: Signal) -> io::Result<()> {
    set_parent_process_death_signal(Some(signal))?;
    match getppid() == Some(parent) {
        true => Ok(()),
        false => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// Reads a stream to its end and keeps only its last part.
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

/// The exit code that a shell reports for a program.
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
