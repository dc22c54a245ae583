//! The command line: what can be said, and which verb does it.

mod completions;
mod exit;
mod list;
mod output;
mod ssh;
mod start;
mod status;
mod stop;
mod transfer;

pub use completions::complete;

use crate::config::Config;
use crate::{Error, duration};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Quick QEMU Manager: start, see, reach, drive and throw away the VMs of a qqmgr.toml
#[derive(Debug, Parser)]
#[command(name = "qqmgr", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = exit::HELP)]
pub struct Cli {
    /// The config file [default: the nearest qqmgr.toml from here up, else the user's own]
    #[arg(short, long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Start(StartArgs),
    Stop(StopArgs),
    Status(StatusArgs),
    /// Show every VM of the config with its live state
    #[command(visible_alias = "ls", after_help = list::EXAMPLES)]
    List,
    Ssh(SshArgs),
    Put(PutArgs),
    Get(GetArgs),
    Completions(CompletionsArgs),
}

/// Start a VM and return when QEMU has answered
#[derive(Debug, Args)]
#[command(after_help = start::EXAMPLES)]
struct StartArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    vm: String,
    /// Return when an SSH login works
    #[arg(long)]
    wait: bool,
    /// How long to wait in all: 500ms, 20s, 2m or plain seconds
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    timeout: Duration,
    /// Print QEMU's command line instead: quoted for a shell, or as a JSON list
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// More arguments for QEMU, appended
    #[arg(last = true, value_name = "QEMU ARGS")]
    extra: Vec<String>,
}

/// Stop a VM and return when its process is gone
///
/// The guest is asked to power down (ACPI). When it has not by the timeout: QMP `quit`, then
/// SIGTERM, then SIGKILL.
#[derive(Debug, Args)]
#[command(after_help = stop::EXAMPLES)]
struct StopArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    vm: String,
    /// How long the guest has to power down: 500ms, 20s, 2m or plain seconds
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration::parse)]
    timeout: Duration,
    /// Don't ask the guest: begin with QMP `quit`
    #[arg(long)]
    force: bool,
}

/// Show a VM's state, process, ports and files
#[derive(Debug, Args)]
#[command(after_help = status::EXAMPLES)]
struct StatusArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    vm: String,
    /// Exit with 4 when the VM is not running
    #[arg(long)]
    exit_code: bool,
}

/// Run OpenSSH's client on a running VM
///
/// What follows the VM's name is ssh's, as after a host's name; qqmgr's own options come before.
#[derive(Debug, Args)]
#[command(after_help = ssh::EXAMPLES, override_usage = "qqmgr [OPTIONS] ssh VM [SSH ARGS]...")]
struct SshArgs {
    /// The VM, then arguments for ssh: a command, options such as -L, or none for a shell
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_names = ["VM", "SSH ARGS"], num_args = 1.., add = completions::vm_names())]
    words: Vec<String>,
}

/// Copy files and directories into a running VM
#[derive(Debug, Args)]
#[command(after_help = transfer::PUT_EXAMPLES, override_usage = "qqmgr put [OPTIONS] VM LOCAL... REMOTE")]
struct PutArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    vm: String,
    /// What to copy, `-` for standard input, then where to in the guest
    #[arg(required = true, num_args = 2.., value_names = ["LOCAL", "REMOTE"])]
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<String>,
}

/// Copy files and directories out of a running VM
#[derive(Debug, Args)]
#[command(after_help = transfer::GET_EXAMPLES, override_usage = "qqmgr get [OPTIONS] VM REMOTE... LOCAL")]
struct GetArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    vm: String,
    /// What to copy in the guest, then where to, `-` for standard output
    #[arg(required = true, num_args = 2.., value_names = ["REMOTE", "LOCAL"])]
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<String>,
}

/// Print a completion script for a shell; VM names complete from the config
#[derive(Debug, Args)]
#[command(after_help = completions::EXAMPLES)]
struct CompletionsArgs {
    /// The shell
    shell: completions::Shell,
}

/// Reads the command line; the exit code when there is nothing left to run.
///
/// # Errors
/// It can't be understood, or help or the version was asked for: both have been answered.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| output::clap_answer(&error))
}

/// What every verb can use.
struct Context {
    config: Option<PathBuf>,
    json: bool,
}

impl Context {
    fn load(&self) -> Result<Config, Error> {
        Ok(Config::load(self.config.as_deref())?)
    }
}

impl Cli {
    /// Runs the verb and says how to exit.
    pub fn run(self) -> ExitCode {
        let context = Context { config: self.config, json: self.json };
        let passes_through = matches!(self.verb, Verb::Ssh(_) | Verb::Put(_) | Verb::Get(_));
        let result = match self.verb {
            Verb::Start(args) => block_on(start::run(&context, args)),
            Verb::Stop(args) => block_on(stop::run(&context, args)),
            Verb::Status(args) => block_on(status::run(&context, args)),
            Verb::List => block_on(list::run(&context)),
            Verb::Ssh(args) => ssh::run(&context, &args.words),
            Verb::Put(args) => transfer::put(&context, &args.vm, &args.paths),
            Verb::Get(args) => transfer::get(&context, &args.vm, &args.paths),
            Verb::Completions(args) => completions::run(&mut Cli::command(), args.shell),
        };
        result.unwrap_or_else(|error| {
            output::error(&error, context.json);
            exit::of_error(&error, passes_through)
        })
    }
}

/// Runs a verb that waits for something, on one thread.
fn block_on<T>(verb: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Runtime { error })?;
    runtime.block_on(verb)
}
