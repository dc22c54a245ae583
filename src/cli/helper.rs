//! What this program does when qqmgr has started it as one of its helpers.

use crate::error::SystemError;
use crate::sys::helper;
use crate::{Error, lease};
use std::path::Path;
use std::process::ExitCode;

/// Does a helper's work, if this process was started as one; else says that its own helpers are this
/// program.
pub fn helper() -> Option<ExitCode> {
    helper::program_is(Path::new("/proc/self/exe"));
    let mut args = std::env::args_os();
    let name = args.next()?.into_string().ok()?;
    if name != lease::KEEPER {
        return None;
    }
    // There is nobody to tell what went wrong but those who wait for us, who see that it ends.
    let done = helper::detach(&name).map_err(|error| Error::from(SystemError::Runtime { error }));
    let done = done.and_then(|()| super::block_on(lease::keep()));
    Some(if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
