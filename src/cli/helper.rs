//! What this program does when qqmgr has started it as one of its helpers.

use crate::{Error, events, helper, lease};
use std::path::Path;
use std::process::ExitCode;

/// Does a helper's work, if this process was started as one.
pub fn helper() -> Option<ExitCode> {
    let mut args = std::env::args_os();
    let name = args.next()?.into_string().ok()?;
    if ![events::RELAY, lease::KEEPER].contains(&name.as_str()) {
        return None;
    }
    let dir = args.next()?;
    // There is nobody to tell what went wrong but those who wait for us, who see that it ends.
    let done = work(&name, Path::new(&dir));
    Some(if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn work(name: &str, dir: &Path) -> Result<(), Error> {
    let runtime = |error| Error::Runtime { error };
    helper::detach(name).map_err(runtime)?;
    match name {
        events::RELAY => events::relay(dir).map_err(runtime),
        _ => super::block_on(lease::keep()),
    }
}
