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
    /// Follow new output, through restarts, until the VM ends
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines to show, or `all`
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub lines: Lines,
    /// When the VM ends, wait for its next start
    #[arg(long, requires = "follow")]
    pub retry: bool,
}

/// Attach to a VM's serial port
#[derive(Debug, Args)]
#[command(after_help = super::examples::CONSOLE)]
pub struct ConsoleArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    #[command(flatten)]
    pub attach: AttachArgs,
}

/// Run commands in QEMU's monitor, or attach to it
#[derive(Debug, Args)]
#[command(after_help = super::examples::MONITOR)]
pub struct MonitorArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// A command and its arguments; without one, a session on a terminal as in `console`, or the
    /// commands on standard input, one per line
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
    /// The key that detaches from a session on a terminal, or `none`; after it, `b` sends a break,
    /// and the same key sends the key itself
    #[arg(long, value_name = "KEY", default_value = "^]")]
    pub escape: EscapeKey,
    /// End when a line of the output matches
    #[arg(long, value_name = "REGEX")]
    pub until: Option<Regex>,
    /// End after this long without output [default: 1s without a terminal and --until]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub idle: Option<Duration>,
    /// Fail with exit code 5 after this long
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
}
