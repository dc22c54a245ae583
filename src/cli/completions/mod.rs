//! `qqmgr completions`: scripts that ask qqmgr itself, so that VM names complete too.

mod values;

pub use values::{behind_colon, conditions, milestones, pages, remote_then_local, vm_names};

use super::{Cli, Context, output};
use crate::Error;
use crate::error::SystemError;
use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::env::{CompleteEnv, Shells};
use serde::Serialize;
use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;

/// The scripts set this variable to the shell's name when they ask.
const VARIABLE: &str = "QQMGR_COMPLETE";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Answers a shell that asks for completions, and exits; otherwise does nothing.
pub fn complete() {
    CompleteEnv::with_factory(completed).var(VARIABLE).complete();
}

/// The command for completions: it offers options only after a `-`, or if nothing else can follow.
fn completed() -> Command {
    let mut command = Cli::command();
    let (_, current) = words();
    if current.is_none_or(|word| !word.as_encoded_bytes().starts_with(b"-")) {
        command.build();
        command = command.mut_subcommands(without_options);
        command = without_options(command);
    }
    command
}

fn without_options(command: Command) -> Command {
    command.mut_args(|arg| {
        let hidden = arg.is_hide_set() || !arg.is_positional();
        arg.hide(hidden)
    })
}

/// The words before the one being completed, and that word if the user began it. The shell sends
/// its index; otherwise it is the last word.
fn words() -> (Vec<OsString>, Option<OsString>) {
    let mut words: Vec<_> = std::env::args_os().skip_while(|arg| arg != "--").skip(1).collect();
    let index = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse().ok());
    let index = index.unwrap_or(words.len().saturating_sub(1));
    let current = words.get(index).cloned();
    words.truncate(index);
    (words, current)
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
    let script = String::from_utf8_lossy(&script);
    let script = if let Shell::Zsh = shell { for_zsh(&script) } else { script.into_owned() };
    output::report(&Report { shell: name, script }, context.json);
    Ok(ExitCode::SUCCESS)
}

/// Mends clap's script for zsh: no space after an unfinished word (`port:`, `ssh=`), as in bash and
/// fish; and an answer to the first key, when zsh loads the script as the function `_qqmgr`.
fn for_zsh(script: &str) -> String {
    let script = script.replace(
        "            if [[ \"$value\" == */ ]]; then",
        "            if [[ \"$completion\" == *(\\\\:|=) ]]; then\n                \
                         open+=(\"$completion\")\n            \
                     elif [[ \"$value\" == */ ]]; then",
    );
    let list = "[[ -n $other ]] && _describe -V 'values' other";
    let open = "[[ -n $open ]] && _describe -V 'values' open -S ''";
    let script = script
        .replace("local -a other=()", "local -a other=() open=()")
        .replace(list, &format!("{open}\n        {list}"));
    let first = "if [[ $funcstack[1] == _qqmgr ]]; then _clap_dynamic_completer_qqmgr \"$@\"; fi";
    format!("{}\n{first}", script.trim_end())
}
