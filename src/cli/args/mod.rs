//! What can be said on the command line; each verb's logic is in its own file.

pub mod attach;
pub mod drive;
mod duration;
mod examples;
pub mod guest;
pub mod life;
pub mod setup;
pub mod view;

use super::completions;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Quick QEMU Manager: start, see, reach, drive and throw away the VMs of a qqmgr.toml
#[derive(Debug, Parser)]
#[command(name = "qqmgr", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = super::exit::help())]
pub struct Cli {
    /// The config file [default: $QQMGR_CONFIG, else the nearest qqmgr.toml in this directory or a parent, else the user's own]
    #[arg(short, long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    #[arg(help_heading = super::help::GLOBAL)]
    pub(super) config: Option<PathBuf>,
    /// Print one JSON document instead of text; a stream prints one per line
    #[arg(long, global = true, help_heading = super::help::GLOBAL)]
    pub(super) json: bool,
    /// Print only errors: no notes, no progress
    #[arg(short, long, global = true, help_heading = super::help::GLOBAL)]
    pub(super) quiet: bool,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// Which VMs a verb is for.
#[derive(Debug, Args)]
pub struct Vms {
    /// The VMs; `*` and `?` are wildcards
    #[arg(required_unless_present = "all", value_name = "VM", add = completions::vm_names())]
    pub names: Vec<String>,
    /// All VMs of the config
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
}

// Which QEMUs a control verb is for.
#[derive(Debug, Args)]
pub struct Controlled {
    /// VMs of the config (`*` and `?` are wildcards), or any QEMU: pid:1234,
    /// unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(required_unless_present = "all", value_name = "TARGET", add = completions::vm_names())]
    pub targets: Vec<String>,
    /// All VMs of the config that run
    #[arg(long, conflicts_with = "targets")]
    pub all: bool,
}

// Deferred: what a verb takes is put together only when that verb is being said.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
#[allow(missing_docs)] // Each variant's arguments say what it does.
pub enum Verb {
    Start(life::StartArgs),
    Stop(life::StopArgs),
    Restart(life::RestartArgs),
    Kill(life::KillArgs),
    /// End VMs whose lease has expired, and remove what killed runs left behind
    ///
    /// Lists running VMs that are no longer in the config, but does not end them: use `qqmgr stop` or
    /// `qqmgr kill` with the old name.
    #[command(after_help = examples::GC)]
    Gc,
    /// Pause guests: their CPUs stop until they are resumed
    #[command(after_help = examples::PAUSE)]
    Pause(Controlled),
    /// Let paused guests run again, and wake those that sleep
    #[command(after_help = examples::RESUME)]
    Resume(Controlled),
    Blocks(drive::BlocksArgs),
    Device(drive::DeviceArgs),
    Throttle(drive::ThrottleArgs),
    Eject(drive::EjectArgs),
    Insert(drive::InsertArgs),
    Screenshot(drive::ScreenshotArgs),
    Sendkey(drive::SendkeyArgs),
    Type(drive::TypeArgs),
    Qmp(drive::QmpArgs),
    Status(view::StatusArgs),
    #[command(visible_alias = "ls")]
    List(view::ListArgs),
    Events(view::EventsArgs),
    /// Show the end of a VM's serial log
    #[command(after_help = examples::SERIAL)]
    Serial(attach::LogArgs),
    /// Show the end of QEMU's standard output
    #[command(after_help = examples::OUTPUT)]
    Stdout(attach::LogArgs),
    /// Show the end of QEMU's standard error
    #[command(after_help = examples::OUTPUT)]
    Stderr(attach::LogArgs),
    Console(attach::ConsoleArgs),
    Monitor(attach::MonitorArgs),
    Timeline(view::TimelineArgs),
    Wait(guest::WaitArgs),
    Run(guest::RunArgs),
    Ssh(guest::SshArgs),
    Put(guest::PutArgs),
    Get(guest::GetArgs),
    Check(setup::CheckArgs),
    /// Print the JSON schema of a qqmgr.toml, for editors and Taplo
    #[command(after_help = examples::SCHEMA)]
    Schema,
    SshConfig(setup::SshConfigArgs),
    Init(setup::InitArgs),
    Gdb(setup::GdbArgs),
    Man(setup::ManArgs),
    Completions(setup::CompletionsArgs),
}
