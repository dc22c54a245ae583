//! The `qqmgr` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = qqmgr::cli::relay() {
        return code;
    }
    qqmgr::cli::complete();
    match qqmgr::cli::parse() {
        Ok(cli) => cli.run(),
        Err(code) => code,
    }
}

// std's unwinder out of a shared library would be a second one to find, map and relocate at each
// start; gcc has it as an archive too.
#[cfg(target_env = "gnu")]
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}
