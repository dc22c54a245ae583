//! `qqmgr man`: the manual pages, from the same text as the help.

use super::Cli;
use crate::Error;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

pub fn run(dir: &Path) -> Result<ExitCode, Error> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        verbs.chain([&command]).try_for_each(|command| write_page(command.clone(), dir))
    };
    let path = dir.to_owned();
    write().map_err(|error| Error::File { action: "write manual pages to", path, error })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a page, what follows the options in the help as it is: examples in lines of their own.
fn write_page(command: Command, dir: &Path) -> io::Result<()> {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.after_help(None::<&str>));
    let mut page = Vec::new();
    man.render(&mut page)?;
    match after.split_once("Examples:\n") {
        Some((_, examples)) => write!(page, ".SH EXAMPLES\n.nf\n{}\n.fi\n", escape(examples))?,
        None => write!(page, ".SH \"EXIT STATUS\"\n{}\n", escape(&after))?,
    }
    std::fs::write(dir.join(man.get_filename()), page)
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
