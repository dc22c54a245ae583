//! Exit codes.

use crate::Error;
use std::process::ExitCode;

/// The codes, for the help.
pub const HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 config, 4 no such VM or not in the state that the \
command needs, 5 timed out. `ssh`, `put`, `get` and `run` pass on the code of ssh, scp or the guest's \
command; there, qqmgr's own failure is 125.";

/// A config that `check` finds wrong.
pub const CONFIG: u8 = 3;

/// A VM that `status --exit-code` finds not running.
pub const NOT_RUNNING: u8 = 4;

/// qqmgr's own failure where another program's code is passed on, as env(1) and docker do.
const OWN_FAILURE: u8 = 125;

/// The code for a failed verb.
pub fn of_error(error: &Error, passes_through: bool) -> ExitCode {
    ExitCode::from(if passes_through { OWN_FAILURE } else { error.exit_code() })
}

/// The code for a verb that did its work and could not tell.
pub fn of_loss(passes_through: bool) -> ExitCode {
    ExitCode::from(if passes_through { OWN_FAILURE } else { 1 })
}
