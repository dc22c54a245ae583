//! What this program does when qqmgr has started it as one of its helpers.

use crate::error::SystemError;
use crate::sys::{descriptors, helper};
use crate::{Error, lease, vm};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Does a helper's work, if this process was started as one; else says that its own helpers are this
/// program.
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
    // There is nobody to tell what went wrong but those who wait for us, who see that it ends.
    let done = detach(&name).map_err(|error| Error::from(SystemError::Runtime { error }));
    let done = done.and_then(|()| match work {
        Work::Lease => super::block_on(lease::keep()),
        Work::Limit { dir, limit } => super::block_on(vm::keep_limit(&dir, limit)),
    });
    Some(if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a helper is there for.
enum Work {
    /// To end a VM in time.
    Lease,
    /// To keep a VM's serial log small.
    Limit { dir: PathBuf, limit: u64 },
}

/// Makes this process, which has just been started as the helper `name`, nobody's but its own: no
/// terminal, no Ctrl-C, and no file of whoever started it.
///
/// # Errors
/// The system refuses it a session of its own.
fn detach(name: &str) -> io::Result<()> {
    for fd in descriptors::inherited() {
        // SAFETY: this process has opened nothing itself yet, so nothing owns them.
        unsafe { rustix::io::close(fd) };
    }
    rustix::process::setsid()?;
    // For `ps` and `top`, which would call it `exe`; the kernel keeps 15 characters.
    let _ = std::fs::write("/proc/self/comm", name);
    Ok(())
}
