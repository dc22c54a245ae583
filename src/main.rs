//! The `qqmgr` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    qqmgr::cli::complete();
    match qqmgr::cli::parse() {
        Ok(cli) => cli.run(),
        Err(code) => code,
    }
}
