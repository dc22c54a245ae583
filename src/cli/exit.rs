//! Exit codes, and their help text.

use crate::{Error, Exit};
use std::process::ExitCode;

/// The codes, for help and manual.
pub const CODES: [(u8, &str); 6] = [
    (0, "done"),
    (1, "failed"),
    (2, "usage"),
    (3, "config"),
    (4, "no such VM or wrong state"),
    (5, "timed out"),
];

/// The verbs with other codes, for help and manual.
pub const PASSED_ON: &str = "`ssh`, `put`, `get` and `run` exit with the code of ssh, scp or the guest's \
                             command, and with 125 if qqmgr itself fails.";

/// The codes, for the help.
pub fn help() -> String {
    let codes: Vec<_> = CODES.iter().map(|(code, text)| format!("{code} {text}")).collect();
    format!("Exit codes: {}. {PASSED_ON}", codes.join(", "))
}

/// The code for a verb that failed.
pub fn of_error(error: &Error, passes_through: bool) -> ExitCode {
    ExitCode::from(if passes_through { Exit::PASSED_THROUGH } else { error.exit_code() })
}

/// The code for a verb that worked but could not print its result.
pub fn of_loss(passes_through: bool) -> ExitCode {
    ExitCode::from(if passes_through { Exit::PASSED_THROUGH } else { 1 })
}
