//! Programs that are of no use without us: they end when we do, whatever ends us.

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the kernel end the command's process when the thread that starts it ends; what that has put
/// in the background meanwhile, as ssh does with a shared connection, lives on.
pub fn ending_with_us(mut command: Command) -> Command {
    let us = getpid();
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        match getppid() == Some(us) {
            true => Ok(()),
            // We were gone before the kernel was told: too late for its signal.
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    };
    // SAFETY: the closure runs between fork and exec; all that it does is system calls.
    unsafe { command.pre_exec(prepare) };
    command
}
