//! `-q`: whether qqmgr prints anything besides errors.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};

static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on, qqmgr prints only errors.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether qqmgr prints only errors.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Whether to show progress: standard error is a terminal, and the user did not ask for quiet.
pub fn wants_progress() -> bool {
    !is_quiet() && io::stderr().is_terminal()
}
