//! `qqmgr man`: shows or writes manual pages, made from the texts of the help and the docs.

mod markdown;
mod page;
mod sections;
mod show;

use super::args::setup::ManArgs;
use super::{Cli, Context, help, output};
use crate::Error;
use crate::error::{SystemError, Usage, cant};
use crate::text::suggest;
use clap::{Command, CommandFactory};
use serde::Serialize;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The page about the config; all others are about verbs.
const CONFIG: &str = "qqmgr.toml";

const CONFIG_TEXT: &str = include_str!("../../../docs/config.md");

#[derive(Serialize)]
struct Report {
    page: String,
    roff: String,
}

#[derive(Serialize)]
struct WriteReport {
    files: Vec<PathBuf>,
}

pub fn run(context: &Context, args: ManArgs) -> Result<ExitCode, Error> {
    let command = command();
    if let Some(dir) = args.write {
        let files = write_all(&command, &dir).map_err(cant("write manual pages to", &dir))?;
        if context.json {
            output::document(&WriteReport { files });
        }
        return Ok(ExitCode::SUCCESS);
    }
    let name = args.page.as_deref().unwrap_or(command.get_name());
    let page = find(&command, name)?;
    let file = page.file_name();
    let roff = page.roff(&command).map_err(|error| SystemError::Runtime { error })?;
    if context.json {
        output::document(&Report { page: file, roff });
    } else if io::stdout().is_terminal() {
        show::on_terminal(&roff, &page.plain())?;
    } else {
        output::text(roff.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// The subject of a page.
enum Page<'a> {
    Command(&'a Command),
    Config,
}

impl Page<'_> {
    fn file_name(&self) -> String {
        match self {
            Page::Command(command) => format!("{}.1", page::title(command)),
            Page::Config => format!("{CONFIG}.5"),
        }
    }

    fn roff(&self, root: &Command) -> io::Result<String> {
        let roff = match self {
            Page::Command(command) => page::of(root, command)?,
            Page::Config => {
                let version = page::source(root);
                let about = "the config file of qqmgr(1), the Quick QEMU Manager";
                markdown::page(
                    [CONFIG, "5", page::NO_DATE, &version, page::MANUAL],
                    about,
                    CONFIG_TEXT,
                )
            }
        };
        Ok(roff)
    }

    /// The page as plain text, for a system without man.
    fn plain(&self) -> String {
        match self {
            Page::Command(verb) => {
                let mut command = help::laid_out(Cli::command());
                let verb = command.find_subcommand_mut(verb.get_name()).cloned();
                verb.unwrap_or(command).render_help().to_string()
            }
            Page::Config => CONFIG_TEXT.to_owned(),
        }
    }
}

fn command() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

fn find<'a>(command: &'a Command, name: &str) -> Result<Page<'a>, Error> {
    if name == command.get_name() {
        return Ok(Page::Command(command));
    }
    if name == CONFIG {
        return Ok(Page::Config);
    }
    let verb = name.strip_prefix("qqmgr-").unwrap_or(name);
    if let Some(verb) = command.find_subcommand(verb) {
        return Ok(Page::Command(verb));
    }
    let names = verbs(command).map(Command::get_name).chain([CONFIG]);
    let hint = match suggest::nearest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            "`qqmgr help` lists the commands; `qqmgr man qqmgr.toml` is the config file".to_owned()
        }
    };
    let message = format!("no manual page for `{name}`");
    Err(Usage { message, hint: Some(hint) }.into())
}

/// Writes all pages and returns their paths.
fn write_all(command: &Command, dir: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir)?;
    let dir = dir.canonicalize()?;
    let pages = verbs(command).chain([command]).map(Page::Command).chain([Page::Config]);
    let write = |page: Page| -> io::Result<PathBuf> {
        let section = if matches!(page, Page::Config) { "man5" } else { "man1" };
        let dir = dir.join(section);
        std::fs::create_dir_all(&dir)?;
        let path = dir.join(page.file_name());
        std::fs::write(&path, page.roff(command)?).map(|()| path)
    };
    pages.map(write).collect()
}
