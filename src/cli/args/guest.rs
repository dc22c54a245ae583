//! Arguments of the verbs that reach into the guest.

use super::{Vms, duration};
use crate::cli::completions;
use crate::run::Copy;
use crate::wait::Condition;
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Run OpenSSH's client on a running VM
///
/// What follows the VM's name is ssh's, as after a host's name; qqmgr's own options come before.
#[derive(Debug, Args)]
#[command(after_help = super::examples::SSH, override_usage = "qqmgr [OPTIONS] ssh VM [SSH ARGS]...")]
pub struct SshArgs {
    /// The VM, then arguments for ssh: a command, options such as -L, or none for a shell
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_names = ["VM", "SSH ARGS"], num_args = 1.., add = completions::vm_names())]
    pub words: Vec<OsString>,
}

/// Copy files and directories into a running VM
///
/// This is scp: in a directory, links to files become files and links to directories are left out,
/// unless --links keeps them.
#[derive(Debug, Args)]
#[command(after_help = super::examples::PUT, override_usage = "qqmgr put [OPTIONS] VM LOCAL... REMOTE")]
pub struct PutArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Keep links in directories as links; the guest needs tar
    #[arg(long)]
    pub links: bool,
    /// What to copy, `-` for standard input, then where to in the guest
    #[arg(required = true, value_name = "PATH")]
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<OsString>,
}

/// Copy files and directories out of a running VM
///
/// This is scp: the guest's names are patterns (`\*` is a star), and in a directory, links to files
/// become files and links to directories are left out, unless --links keeps them.
#[derive(Debug, Args)]
#[command(after_help = super::examples::GET, override_usage = "qqmgr get [OPTIONS] VM REMOTE... LOCAL")]
pub struct GetArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Keep links in directories as links; the guest needs tar
    #[arg(long)]
    pub links: bool,
    /// What to copy in the guest, then where to, `-` for standard output
    #[arg(required = true, value_name = "PATH")]
    #[arg(add = completions::remote_then_local())]
    pub paths: Vec<OsString>,
}

/// Wait for conditions of running VMs
///
/// COND is running, stopped, paused, ssh (a login works), serial:REGEX (a line of this boot's
/// serial log), event:NAME (QMP), port:N or port:NAME (the guest accepts on its port, through a
/// forwarded one, or at its own address) or file:PATH (exists in the guest). It fails at once when
/// QEMU ends.
#[derive(Debug, Args)]
#[command(after_help = super::examples::WAIT)]
pub struct WaitArgs {
    #[command(flatten)]
    pub vms: Vms,
    /// What has to hold; can be given several times
    #[arg(long = "for", value_name = "COND", required = true, add = completions::conditions())]
    pub conditions: Vec<Condition>,
    /// One of them is enough
    #[arg(long)]
    pub any: bool,
    /// Fail at once when this holds; can be given several times
    #[arg(long, value_name = "COND", add = completions::conditions())]
    pub fail_on: Vec<Condition>,
    /// Count events since the VM's start, so that one which came before is not missed
    #[arg(long)]
    pub since_start: bool,
    /// How long to wait: 500ms, 20s, 1h30m, 2d or plain seconds; 0 asks whether it is so now
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// Run a command in a throwaway instance of a VM
///
/// Boots an instance of the VM with ports of its own and `-snapshot`, runs the command over SSH,
/// and throws the instance away, whatever ends qqmgr. Without a command it gives a shell. The exit
/// code is the command's. It is 125 if the command could not be run to its end, or if it succeeded
/// and a file could not be copied out or kept.
#[derive(Debug, Args)]
#[command(after_help = super::examples::RUN)]
pub struct RunArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Copy this in first; can be given several times
    #[arg(long, value_name = "LOCAL:REMOTE", value_hint = clap::ValueHint::AnyPath)]
    #[arg(value_parser = OsStringValueParser::new().try_map(Copy::parse))]
    pub put: Vec<Copy>,
    /// Copy this out afterwards; can be given several times; `LOCAL/` is made if it is missing
    #[arg(long, value_name = "REMOTE:LOCAL", add = completions::behind_colon())]
    #[arg(value_parser = OsStringValueParser::new().try_map(Copy::parse))]
    pub get: Vec<Copy>,
    /// Keep the serial log, whatever ends the run; `-` is standard error
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub serial: Option<PathBuf>,
    /// Keep the QMP events, a JSON document a line, whatever ends the run
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub events: Option<PathBuf>,
    /// Keep the screen as it is at the end, as PNG
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub screenshot: Option<PathBuf>,
    /// Write a JUnit report with one test case, for CI systems
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// How long all of it may take
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Leave the instance running when anything fails, unless a signal ends qqmgr
    #[arg(long)]
    pub keep_on_failure: bool,
    /// The command: several words are exact, one is a line for the guest's shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
