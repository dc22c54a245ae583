//! Runs this program as a helper process, when qqmgr has started it as one.

use crate::error::SystemError;
use crate::sys::{descriptors, helper};
use crate::{Error, lease, vm};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs a helper, if this process was started as one; otherwise sets this program as the one that
/// runs the helpers.
pub fn helper() -> Option<ExitCode> {
    helper::program_is(Path::new("/proc/self/exe"));
    let mut args = std::env::args_os();
    let name = args.next()?.into_string().ok()?;
    let work = match name.as_str() {
        lease::KEEPER => Work::Lease,
        vm::LIMITER => {
            Work::Limit { dir: args.next()?.into(), limit: args.next()?.to_str()?.parse().ok()? }
        }
        _ => return None,
    };
    // Only the process that waits for this helper can see an error: it sees that the helper ends.
    let done = detach(&name).map_err(|error| Error::from(SystemError::Runtime { error }));
    let done = done.and_then(|()| match work {
        Work::Lease => super::block_on(lease::keep()),
        Work::Limit { dir, limit } => super::block_on(vm::keep_limit(&dir, limit)),
    });
    Some(if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The task of a helper.
enum Work {
    /// To end a VM in time.
    Lease,
    /// To keep a VM's serial log small.
    Limit { dir: PathBuf, limit: u64 },
}

/// Detaches this process, just started as the helper `name`: from the terminal, from Ctrl-C, and
/// from the files of the process that started it.
///
/// # Errors
/// The system refuses to start a new session.
fn detach(name: &str) -> io::Result<()> {
    for fd in descriptors::inherited() {
        // SAFETY: this process has not opened anything itself yet, so nothing owns the descriptors.
        unsafe { rustix::io::close(fd) };
    }
    rustix::process::setsid()?;
    // For `ps` and `top`, which would show `exe`; the kernel keeps 15 characters.
    let _ = std::fs::write("/proc/self/comm", name);
    Ok(())
}
