//! Children that are of no use without us: they end when we do, whatever ends us.

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

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
