//! `qqmgr completions`: scripts that ask qqmgr itself, so that VM names complete too.

use super::{Cli, Context, help, output};
use crate::Error;
use crate::config::Config;
use crate::error::SystemError;
use clap::{CommandFactory, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use serde::Serialize;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// The scripts set this variable to the shell's name when they ask.
const VARIABLE: &str = "QQMGR_COMPLETE";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Answers a shell that asks for completions, and exits then; else does nothing.
pub fn complete() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

#[derive(Serialize)]
struct Report {
    shell: &'static str,
    script: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.script.trim_end())
    }
}

pub fn run(
    context: &Context,
    command: &mut clap::Command,
    shell: Shell,
) -> Result<ExitCode, Error> {
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    command.build();
    let mut script = Vec::new();
    if let Some(completer) = Shells::builtins().completer(name) {
        let bin = command.get_name();
        let written = completer.write_registration(VARIABLE, bin, bin, bin, &mut script);
        written.map_err(|error| Error::from(SystemError::Runtime { error }))?;
    }
    let script = String::from_utf8_lossy(&script).into_owned();
    output::report(&Report { shell: name, script }, context.json);
    Ok(ExitCode::SUCCESS)
}

/// Completes VM names from the config that the command line being completed uses.
pub fn vm_names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Ok(config) = Config::load(named_config().as_deref()) else {
            return Vec::new();
        };
        let current = current.to_string_lossy();
        let names = config.file.vms.iter().map(|vm| vm.name.as_str());
        names.filter(|name| name.starts_with(&*current)).map(CompletionCandidate::new).collect()
    })
}

/// Completes the names of manual pages.
pub fn pages() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let verbs = help::GROUPS.iter().flat_map(|(_, verbs)| *verbs);
        verbs.chain([&"qqmgr.toml"]).map(CompletionCandidate::new).collect()
    })
}

/// The config file that the command line being completed names, by any spelling of the option.
fn named_config() -> Option<PathBuf> {
    let mut args = std::env::args_os();
    while let Some(arg) = args.next() {
        let arg = arg.to_str()?;
        if arg == "-c" || arg == "--config" {
            return args.next().map(PathBuf::from);
        }
        let attached = arg.strip_prefix("--config=").or_else(|| arg.strip_prefix("-c"));
        if let Some(path) = attached {
            return Some(PathBuf::from(path));
        }
    }
    None
}
