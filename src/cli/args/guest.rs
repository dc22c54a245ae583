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

/// Log in to a running VM with ssh, or run a command there
///
/// Everything after the VM's name goes to ssh, as after a host name; qqmgr's own options come before.
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
/// Uses scp: in a directory, links to files become files and links to directories are skipped,
/// unless --links keeps them.
#[derive(Debug, Args)]
#[command(after_help = super::examples::PUT, override_usage = "qqmgr put [OPTIONS] VM LOCAL... REMOTE")]
pub struct PutArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Keep links in directories as links; needs tar in the guest
    #[arg(long)]
    pub links: bool,
    /// What to copy (`-` is standard input), then the target in the guest
    #[arg(required = true, value_name = "PATH")]
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<OsString>,
}

/// Copy files and directories out of a running VM
///
/// Uses scp: names in the guest are patterns (`\*` is a star). In a directory, links to files become
/// files and links to directories are skipped, unless --links keeps them.
#[derive(Debug, Args)]
#[command(after_help = super::examples::GET, override_usage = "qqmgr get [OPTIONS] VM REMOTE... LOCAL")]
pub struct GetArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Keep links in directories as links; needs tar in the guest
    #[arg(long)]
    pub links: bool,
    /// What to copy in the guest, then the local target (`-` is standard output)
    #[arg(required = true, value_name = "PATH")]
    #[arg(add = completions::remote_then_local())]
    pub paths: Vec<OsString>,
}

/// Wait for a condition, such as SSH or a serial line
///
/// COND is running, stopped, paused, ssh (a login works), serial:REGEX (a line of this boot's
/// serial log), event:NAME (QMP), port:N or port:NAME (the guest accepts connections on its port,
/// forwarded or at its own address) or file:PATH (exists in the guest). Fails at once if QEMU ends.
#[derive(Debug, Args)]
#[command(after_help = super::examples::WAIT)]
pub struct WaitArgs {
    #[command(flatten)]
    pub vms: Vms,
    /// The condition to wait for; can be repeated
    #[arg(long = "for", value_name = "COND", required = true, add = completions::conditions())]
    pub conditions: Vec<Condition>,
    /// Return when one of the conditions is met
    #[arg(long)]
    pub any: bool,
    /// Fail at once if this condition is met; can be repeated
    #[arg(long, value_name = "COND", add = completions::conditions())]
    pub fail_on: Vec<Condition>,
    /// Count past events too, since the VM's start
    #[arg(long)]
    pub since_start: bool,
    /// How long to wait: 500ms, 20s, 1h30m, 2d or plain seconds; 0 checks once
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// Run a command in a throwaway instance of a VM
///
/// Boots an instance of the VM with its own ports and `-snapshot`, runs the command over SSH, and
/// removes the instance, even if qqmgr is killed. The exit code is the command's; 125 if the command
/// did not finish, or if it succeeded and a file could not be copied out or kept. Without a command,
/// opens a shell.
#[derive(Debug, Args)]
#[command(after_help = super::examples::RUN)]
pub struct RunArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Copy this in first; can be repeated
    #[arg(long, value_name = "LOCAL:REMOTE", value_hint = clap::ValueHint::AnyPath)]
    #[arg(value_parser = OsStringValueParser::new().try_map(Copy::parse))]
    pub put: Vec<Copy>,
    /// Copy this out afterwards; can be repeated; `LOCAL/` is created if it does not exist
    #[arg(long, value_name = "REMOTE:LOCAL", add = completions::behind_colon())]
    #[arg(value_parser = OsStringValueParser::new().try_map(Copy::parse))]
    pub get: Vec<Copy>,
    /// Save the serial log, however the run ends; `-` is standard error
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub serial: Option<PathBuf>,
    /// Save the QMP events, one JSON document per line, however the run ends
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub events: Option<PathBuf>,
    /// Save the screen at the end, as PNG
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub screenshot: Option<PathBuf>,
    /// Write a JUnit report with one test case, for CI systems
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// How long the whole run may take
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Keep the instance running if anything fails, unless a signal ends qqmgr
    #[arg(long)]
    pub keep_on_failure: bool,
    /// The command: several words run as they are, a single word is a line for the guest's shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
