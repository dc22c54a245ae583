//! Arguments of the verbs that show what is.

use super::{Vms, duration};
use crate::cli::completions;
use crate::vm::Milestone;
use clap::Args;
use std::str::FromStr;
use std::time::Duration;

/// Show all VMs of the config and their state
///
/// `qqmgr ls` is the same. The note tells when a lease expires, how a VM ended, or that a running
/// VM is no longer in the config.
#[derive(Debug, Args)]
#[command(after_help = super::examples::LIST)]
pub struct ListArgs {
    /// Show every QEMU of this user instead, no matter who started it; root sees those of all users
    #[arg(long)]
    pub any: bool,
}

/// Show the state, process, ports and files of VMs
#[derive(Debug, Args)]
#[command(after_help = super::examples::STATUS)]
pub struct StatusArgs {
    #[command(flatten)]
    pub vms: Vms,
    /// Exit with 4 if a VM is stopped; a paused VM is not stopped
    #[arg(long)]
    pub exit_code: bool,
}

/// Show a VM's QMP events as they arrive
///
/// One line per event: local time, name, data. QEMU writes its events to a log, so any number of
/// listeners can follow them. Ends when the VM ends.
#[derive(Debug, Args)]
#[command(after_help = super::examples::EVENTS)]
pub struct EventsArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Begin with all events since the VM's start; for a stopped VM, show all events of its last boot
    #[arg(long, conflicts_with = "lines")]
    pub all: bool,
    /// Begin with the last N past events
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Show only events with this name; `*` matches any text; can be repeated
    #[arg(long, value_name = "NAME")]
    pub filter: Vec<String>,
    /// End after this many events; fail if there are fewer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after this long: 500ms, 20s, 1h30m, 2d or plain seconds
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
}

/// Show when a VM's latest boot reached its milestones
///
/// The milestones: QEMU started, QMP answered, first serial byte, kernel's first line, SSH login
/// worked. Only `start --wait`, `wait` and `run` see the last three.
#[derive(Debug, Args)]
#[command(after_help = super::examples::TIMELINE)]
pub struct TimelineArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Exit with 1 if this milestone (qmp, serial, kernel, ssh) came later, or not at all
    #[arg(long, value_name = "MILESTONE=TIME", add = completions::milestones())]
    pub max: Vec<Limit>,
}

/// `MILESTONE=TIME`.
#[derive(Clone, Debug)]
pub struct Limit {
    pub milestone: Milestone,
    pub time: Duration,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        let (name, time) = text.split_once('=').ok_or("write MILESTONE=TIME, such as ssh=20s")?;
        let mut milestones = Milestone::ALL.into_iter();
        let milestone = milestones.find(|milestone| milestone.name() == name);
        let milestone = milestone.ok_or("the milestones are qmp, serial, kernel and ssh")?;
        Ok(Limit { milestone, time: duration::parse(time)? })
    }
}
