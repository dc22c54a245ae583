//! `qqmgr man`: the manual pages, from the same text as the help.

use super::Cli;
use crate::Error;
use clap::CommandFactory;
use std::path::Path;
use std::process::ExitCode;

pub fn run(dir: &Path) -> Result<ExitCode, Error> {
    let failed = |error| Error::File { action: "write manual pages to", path: dir.into(), error };
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
