//! The command line: parses it, runs the verb and returns the exit code.

mod args;
mod blocks;
mod check;
mod completions;
mod console;
mod device;
mod events;
mod exit;
mod gc;
mod gdb;
mod help;
mod helper;
mod init;
mod interrupt;
mod junit;
mod kill;
mod links;
mod list;
mod list_any;
mod logs;
mod man;
mod many;
mod medium;
mod mistakes;
mod monitor;
mod output;
mod patient;
mod pause;
mod progress;
mod qmp;
mod quiet;
mod restart;
mod run;
mod schema;
mod screenshot;
mod sendkey;
mod size;
mod ssh;
mod ssh_config;
mod start;
mod status;
mod stderr;
mod stdin;
mod stdout;
mod stop;
mod supervise;
mod table;
mod throttle;
mod timeline;
mod transfer;
mod typing;
mod wait;

pub use args::Cli;
pub use completions::complete;
pub use helper::helper;

use crate::Error;
use crate::config::{Config, Instance};
use crate::error::{SystemError, Usage};
use crate::logs::Log;
use crate::target::Target;
use crate::vm::Registry;
use args::Verb;
use clap::{CommandFactory, FromArgMatches};
use std::path::PathBuf;
use std::process::ExitCode;

/// Parses the command line; returns the exit code if there is nothing left to run.
///
/// # Errors
/// It is invalid, or it asks for help or the version: the answer is already printed.
pub fn parse() -> Result<Cli, ExitCode> {
    // Only help and errors need the layout: it takes as long as everything else together.
    read(&mut Cli::command()).or_else(|_| {
        let mut command = help::laid_out(Cli::command());
        read(&mut command).map_err(|error| {
            output::clap_answer(&mistakes::with_tip(&command, error).format(&mut command))
        })
    })
}

fn read(command: &mut clap::Command) -> Result<Cli, clap::Error> {
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches)
}

/// What every verb needs.
struct Context {
    config: Option<PathBuf>,
    json: bool,
}

impl Context {
    fn load(&self) -> Result<Config, Error> {
        Ok(Config::load(self.config.as_deref())?)
    }

    /// The config, and the VM or throwaway instance with this name.
    fn find(&self, vm: &str) -> Result<(Config, Instance), Error> {
        let config = self.load()?;
        let instance = Registry::of(&config).get(vm)?;
        Ok((config, instance))
    }

    /// The VM with this name, or another QEMU, for which no config is needed.
    fn target(&self, text: &str) -> Result<Target, Error> {
        match Target::other(text)? {
            Some(target) => Ok(target),
            None => Target::named(&Registry::of(&self.load()?), text),
        }
    }
}

impl Cli {
    /// Runs the verb and returns its exit code.
    pub fn run(self) -> ExitCode {
        let context = Context { config: self.config, json: self.json };
        if self.quiet {
            quiet::be_quiet();
        }
        let copies = matches!(self.verb, Verb::Put(_) | Verb::Get(_));
        let passes_through = copies || matches!(self.verb, Verb::Ssh(_) | Verb::Run(_));
        let result = match self.verb {
            Verb::Start(args) => block_on(start::run(&context, args)),
            Verb::Stop(args) => block_on(stop::run(&context, args)),
            Verb::Restart(args) => block_on(restart::run(&context, args)),
            Verb::Kill(args) => block_on(kill::run(&context, args)),
            Verb::Pause(args) => block_on(pause::pause(&context, &args)),
            Verb::Resume(args) => block_on(pause::resume(&context, &args)),
            Verb::Blocks(args) => block_on(blocks::run(&context, &args)),
            Verb::Device(args) => block_on(device::run(&context, &args)),
            Verb::Throttle(args) => block_on(throttle::run(&context, &args)),
            Verb::Eject(args) => block_on(medium::eject(&context, &args)),
            Verb::Insert(args) => block_on(medium::insert(&context, args)),
            Verb::Qmp(args) => block_on(qmp::run(&context, args)),
            Verb::Screenshot(args) => block_on(screenshot::run(&context, args)),
            Verb::Sendkey(args) => block_on(sendkey::run(&context, args)),
            Verb::Type(args) => block_on(typing::run(&context, args)),
            Verb::Gc => block_on(gc::run(&context)),
            Verb::Timeline(args) => timeline::run(&context, &args),
            Verb::Wait(args) => block_on(wait::run(&context, args)),
            Verb::Run(args) => block_on(run::run(&context, args)),
            Verb::Status(args) => block_on(status::run(&context, args)),
            Verb::List(args) if args.any => list_any::run(&context),
            Verb::List(_) => block_on(list::run(&context)),
            Verb::Events(args) => block_on(events::run(&context, args)),
            Verb::Serial(args) => block_on(logs::run(&context, Log::Serial, args)),
            Verb::Stdout(args) => block_on(logs::run(&context, Log::Stdout, args)),
            Verb::Stderr(args) => block_on(logs::run(&context, Log::Stderr, args)),
            Verb::Console(args) => block_on(console::run(&context, args)),
            Verb::Monitor(args) => block_on(monitor::run(&context, args)),
            Verb::Ssh(args) => block_on(ssh::run(&context, &args.words)),
            Verb::Put(args) => block_on(transfer::put(&context, &args)),
            Verb::Get(args) => block_on(transfer::get(&context, &args)),
            Verb::Check(args) => block_on(check::run(&context, args)),
            Verb::SshConfig(args) => block_on(ssh_config::run(&context, &args)),
            Verb::Init(args) => block_on(init::run(&context, args)),
            Verb::Gdb(args) => block_on(gdb::run(&context, args)),
            Verb::Schema => schema::run(&context),
            Verb::Man(args) => man::run(&context, args),
            Verb::Completions(args) => completions::run(&context, &mut Cli::command(), args.shell),
        };
        let code = result.unwrap_or_else(|error| {
            output::error(&error, context.json);
            // Only `put` and `get` exit with 2: a guest's command may mean something else by it.
            let is_usage = copies && error.get::<Usage>().is_some();
            exit::of_error(&error, passes_through && !is_usage)
        });
        stdout::checked(code, exit::of_loss(passes_through))
    }
}

/// Runs a verb that waits, on one thread.
fn block_on<T>(verb: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::from(SystemError::Runtime { error }))?;
    let result = runtime.block_on(verb);
    // A thread may still be reading the terminal; the exit must not wait for it.
    runtime.shutdown_background();
    result
}
