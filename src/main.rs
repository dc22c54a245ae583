//! The `qqmgr` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = qqmgr::cli::helper() {
        return code;
    }
    qqmgr::cli::complete();
    match qqmgr::cli::parse() {
        Ok(cli) => cli.run(),
        Err(code) => code,
    }
}
