//! Arguments of the verbs that read a VM's logs or talk to it by hand.

use super::duration;
use crate::cli::completions;
use crate::console::EscapeKey;
use crate::logs::Lines;
use clap::Args;
use regex::Regex;
use std::time::Duration;

// How much of a log, and until when.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Go on with what is added, through a restart, until the VM has ended
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines, or `all`
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub lines: Lines,
    /// Wait for the VM's next start when it has ended
    #[arg(long, requires = "follow")]
    pub retry: bool,
}

/// Attach to a VM's serial port, both ways
#[derive(Debug, Args)]
#[command(after_help = super::examples::CONSOLE)]
pub struct ConsoleArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    #[command(flatten)]
    pub attach: AttachArgs,
}

/// Give QEMU's human monitor a command, or attach to it
#[derive(Debug, Args)]
#[command(after_help = super::examples::MONITOR)]
pub struct MonitorArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// One command and its arguments; without, a session on a terminal as that of `console`, else
    /// the commands on standard input, a line each
    #[arg(trailing_var_arg = true, conflicts_with_all = ["force", "until", "idle"])]
    pub command: Vec<String>,
    #[command(flatten)]
    pub attach: AttachArgs,
}

/// How to be attached, and for how long.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Take over from another qqmgr that is attached
    #[arg(long)]
    pub force: bool,
    /// The key that leaves a session on a terminal, or `none`; after it, `b` sends a break, and the
    /// key again sends the key
    #[arg(long, value_name = "KEY", default_value = "^]")]
    pub escape: EscapeKey,
    /// End when this is in a line of the output
    #[arg(long, value_name = "REGEX")]
    pub until: Option<Regex>,
    /// End after such a silence [default: 1s without a terminal and --until]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub idle: Option<Duration>,
    /// Fail with exit code 5 when it has not ended by then
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
}
