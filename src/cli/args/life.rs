//! Arguments of the verbs that begin and end a VM's life.

use crate::cli::completions;
use crate::text::duration;
use crate::wait::Condition;
use clap::Args;
use std::time::Duration;

/// Start VMs and return when QEMU has answered
///
/// A VM that runs already is no error: it goes on, and the exit code is 0.
#[derive(Debug, Args)]
#[command(after_help = super::examples::START)]
pub struct StartArgs {
    /// The VMs; `*` and `?` stand for any characters of their names
    #[arg(required_unless_present = "all", value_name = "VM", add = completions::vm_names())]
    pub vms: Vec<String>,
    /// Every VM of the config
    #[arg(long, conflicts_with = "vms")]
    pub all: bool,
    /// Return when an SSH login works, or what --for says holds
    #[arg(long)]
    pub wait: bool,
    /// Wait for this: see `qqmgr wait --help`; can be given several times
    #[arg(long = "for", value_name = "COND", add = completions::conditions())]
    pub conditions: Vec<Condition>,
    /// How long to wait in all: 500ms, 20s, 2m or plain seconds
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Print QEMU's command line instead: quoted for a shell, or as a JSON list
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// End the VM this long after QEMU has answered; of one that runs already, its lease is replaced
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub ttl: Option<Duration>,
    /// End the VM when this process is gone; of one that runs already, its lease is replaced
    #[arg(long, value_name = "PID")]
    pub owner_pid: Option<u32>,
    /// More arguments for QEMU, appended; a VM that runs already goes on without them
    #[arg(last = true, value_name = "QEMU ARGS")]
    pub extra: Vec<String>,
}

fn ttl(text: &str) -> Result<Duration, String> {
    match duration::parse(text)? {
        Duration::ZERO => Err("the VM would end at once".to_owned()),
        ttl => Ok(ttl),
    }
}

/// Stop VMs and return when their processes are gone
///
/// The guest is asked to power down (ACPI), unless it is paused. When it has not by the timeout: QMP `quit`, then
/// SIGTERM, then SIGKILL.
#[derive(Debug, Args)]
#[command(after_help = super::examples::STOP)]
pub struct StopArgs {
    /// The VMs; `*` and `?` stand for any characters of their names
    #[arg(required_unless_present = "all", value_name = "VM", add = completions::vm_names())]
    pub vms: Vec<String>,
    /// Every VM of the config, runs too, and those that were in it when they were started
    #[arg(long, conflicts_with = "vms")]
    pub all: bool,
    /// How long the guest has to power down: 500ms, 20s, 2m or plain seconds
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Don't ask the guest: begin with QMP `quit`
    #[arg(long)]
    pub force: bool,
}

/// Stop a VM and start it again
///
/// The config is read anew. What the start was given stays: the QEMU arguments after `--`, and the
/// lease, whose time goes on to run out when it would have.
#[derive(Debug, Args)]
#[command(after_help = super::examples::RESTART)]
pub struct RestartArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Reset the machine in place, as its reset button would: QEMU goes on
    #[arg(long)]
    pub reset: bool,
    /// Return when an SSH login works
    #[arg(long)]
    pub wait: bool,
    /// How long the guest has to power down, and then to come up
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// Kill VMs with SIGKILL, and clean up behind them
#[derive(Debug, Args)]
#[command(after_help = super::examples::KILL)]
pub struct KillArgs {
    /// The VMs; `*` and `?` stand for any characters of their names
    #[arg(required = true, value_name = "VM", add = completions::vm_names())]
    pub vms: Vec<String>,
}
