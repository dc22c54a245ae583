//! Starts the QEMU process: detached, its output in files, and visible from its first moment.

use super::argv::CommandLine;
use super::dir::VmDir;
use super::files;
use crate::Error;
use crate::config::Vm;
use crate::error::SystemError;
use crate::sys::child;
use crate::sys::descriptors;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::FdFlags;
use rustix::process::Signal;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Spawns QEMU for a VM whose launch record is written. `commands` contains QEMU's first commands.
/// With `die_with_us` the kernel kills QEMU when the thread that executes it ends.
///
/// # Errors
/// A log can't be opened or the program can't be executed.
pub fn command(
    vm: &Vm,
    dir: &VmDir,
    line: &CommandLine,
    commands: &OwnedFd,
    die_with_us: bool,
) -> Result<Command, Error> {
    // QEMU opens the serial log itself, but if it fails, the log must not show the last boot.
    dir.begin_log(files::SERIAL)?;
    let record = CString::new(dir.file(files::LAUNCH).as_os_str().as_bytes())
        .map_err(|error| spawn_error(&line.bin, error.into()))?;
    let mut command = Command::new(&line.bin);
    command
        .args(line.args.iter().map(|arg| &arg.text))
        .envs(vm.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&vm.config_dir)
        .stdin(Stdio::null())
        .stdout(dir.begin_log(files::STDOUT)?)
        .stderr(dir.begin_log(files::STDERR)?);
    let us = rustix::process::getpid();
    let is_named = |fd: &RawFd| line.args.iter().any(|arg| names(&arg.text, *fd));
    let mut withheld = descriptors::inherited();
    withheld.retain(|fd| !is_named(fd));
    let commands = commands.as_raw_fd();
    let prepare = move || {
        rustix::process::setsid()?;
        // SAFETY: the process that spawns us keeps it open until we are executed.
        let commands = unsafe { BorrowedFd::borrow_raw(commands) };
        // QEMU inherits the FIFO: its contents are lost once no process has it open.
        rustix::io::fcntl_setfd(commands, FdFlags::empty())?;
        for fd in &withheld {
            // SAFETY: the descriptor is not used; if it is closed by now, the call fails.
            let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
            let _ = rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC);
        }
        if die_with_us {
            child::end_with(us, Signal::KILL)?;
        }
        hold(&record)
    };
    // SAFETY: the closure runs between fork and exec; it only makes system calls, on memory that
    // was prepared before.
    unsafe { command.pre_exec(prepare) };
    Ok(command)
}

/// Locks the launch record for this process until it ends: a POSIX lock survives execve(2), and the
/// open descriptor keeps it.
fn hold(record: &CString) -> io::Result<()> {
    let file = rustix::fs::open(record.as_c_str(), OFlags::RDWR | OFlags::NOFOLLOW, Mode::empty())?;
    rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let _kept_open = file.into_raw_fd();
    Ok(())
}

/// Whether an argument gives QEMU this descriptor: `fd=3`, `vhostfds=3:4`, `"fd":"3"`, `fd:3`,
/// `/dev/fd/3`, `addr.type=fd,addr.str=3`. A false match does less harm than a missed one.
fn names(arg: &str, fd: RawFd) -> bool {
    let mut words = arg.split(|c: char| !c.is_ascii_alphanumeric());
    arg.contains("fd") && words.any(|word| word.parse() == Ok(fd))
}

fn spawn_error(program: &str, error: io::Error) -> Error {
    Error::from(SystemError::Spawn { program: program.to_owned(), error, place: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_options_name() {
        for arg in [
            "tap,id=n,fd=3",
            "tap,id=n,fds=2:3,vhostfds=4:5",
            "vhost-vsock-pci,guest-cid=3,vhostfd=3",
            "fd=3,set=1",
            "fd:3",
            r#"{"type": "tap", "id": "n", "fd": "3"}"#,
            "stream,id=n,addr.type=fd,addr.str=3",
            "file,id=c,path=/dev/fd/3",
        ] {
            assert!(names(arg, 3), "{arg}");
        }
        for arg in ["user,id=n3,hostfwd=tcp::33-:22", "tap,fd=30", "-smp", "3", "fd=eth3"] {
            assert!(!names(arg, 3), "{arg}");
        }
    }
}
