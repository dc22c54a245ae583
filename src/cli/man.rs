//! `qqmgr man`: the manual pages, from the same text as the help.

use super::{Cli, Context, output};
use crate::Error;
use crate::error::cant;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    files: Vec<PathBuf>,
}

pub fn run(context: &Context, dir: &Path) -> Result<ExitCode, Error> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let write = || -> io::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        verbs.chain([&command]).map(|command| write_page(command.clone(), &dir)).collect()
    };
    let path = dir.to_owned();
    let files = write().map_err(cant("write manual pages to", &path))?;
    if context.json {
        output::document(&Report { files });
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a page and tells its path; what follows the options in the help as it is: examples in lines of their own.
fn write_page(command: Command, dir: &Path) -> io::Result<PathBuf> {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.after_help(None::<&str>));
    let mut page = Vec::new();
    man.render(&mut page)?;
    match after.split_once("Examples:\n") {
        Some((_, examples)) => write!(page, ".SH EXAMPLES\n.nf\n{}\n.fi\n", escape(examples))?,
        None => write!(page, ".SH \"EXIT STATUS\"\n{}\n", escape(&after))?,
    }
    let path = dir.join(man.get_filename());
    std::fs::write(&path, page).map(|()| path)
}

/// Text with nothing in it that roff(7) would obey.
fn escape(text: &str) -> String {
    let text = text.replace('\\', r"\e").replace('-', r"\-");
    let lines = text.lines().map(|line| match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}
