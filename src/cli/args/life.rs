//! Arguments of the verbs that begin and end a VM's life.

use super::{Vms, duration};
use crate::cli::completions;
use crate::wait::Condition;
use clap::Args;
use std::num::ParseIntError;
use std::time::Duration;

/// Start VMs and return when QEMU has answered
///
/// A VM that runs already is no error: it goes on, and the exit code is 0.
#[derive(Debug, Args)]
#[command(after_help = super::examples::START)]
pub struct StartArgs {
    #[command(flatten)]
    pub vms: Vms,
    /// Return when an SSH login works, or what --for says holds
    #[arg(long)]
    pub wait: bool,
    /// Wait for this: see `qqmgr wait --help`; can be given several times
    #[arg(long = "for", value_name = "COND", add = completions::conditions())]
    pub conditions: Vec<Condition>,
    /// How long to wait in all: 500ms, 20s, 1h30m, 2d or plain seconds
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Print QEMU's command line instead: quoted for a shell, or as a JSON list
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// End the VM this long after QEMU has answered; of one that runs already, its lease is replaced,
    /// or taken off by `none`
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub ttl: Option<Limit<Duration>>,
    /// End the VM when this process is gone; of one that runs already, its lease is replaced, or
    /// taken off by `none`
    #[arg(long, value_name = "PID", value_parser = owner_pid)]
    pub owner_pid: Option<Limit<u32>>,
    /// More arguments for QEMU, appended; a VM that runs already goes on without them
    #[arg(last = true, value_name = "QEMU ARGS")]
    pub extra: Vec<String>,
}

/// What a VM's life is limited by, or `none`.
#[derive(Clone, Copy, Debug)]
pub struct Limit<T>(pub Option<T>);

fn ttl(text: &str) -> Result<Limit<Duration>, String> {
    match text {
        "none" => Ok(Limit(None)),
        _ => match duration::parse(text)? {
            Duration::ZERO => Err("the VM would end at once".to_owned()),
            ttl => Ok(Limit(Some(ttl))),
        },
    }
}

fn owner_pid(text: &str) -> Result<Limit<u32>, String> {
    match text {
        "none" => Ok(Limit(None)),
        _ => {
            let pid = text.parse().map_err(|error: ParseIntError| error.to_string())?;
            Ok(Limit(Some(pid)))
        }
    }
}

/// Stop VMs and return when their processes are gone
///
/// The guest is asked to power down (ACPI), unless it is paused. When it has not by the timeout: QMP `quit`, then
/// SIGTERM, then SIGKILL. `--all` takes runs too, and VMs that were in the config when they were started.
#[derive(Debug, Args)]
#[command(after_help = super::examples::STOP)]
pub struct StopArgs {
    #[command(flatten)]
    pub vms: Vms,
    /// How long the guest has to power down: 500ms, 20s, 1h30m, 2d or plain seconds
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Don't ask the guest: begin with QMP `quit`
    #[arg(long)]
    pub force: bool,
}

/// Stop VMs and start them again
///
/// The config is read anew. What the start was given stays: the QEMU arguments after `--`, unless
/// others follow here, and the lease, whose time goes on to run out when it would have. A VM that
/// does not run is started.
#[derive(Debug, Args)]
#[command(after_help = super::examples::RESTART)]
pub struct RestartArgs {
    #[command(flatten)]
    pub vms: Vms,
    /// Reset the machine in place, as its reset button would: QEMU goes on
    #[arg(long)]
    pub reset: bool,
    /// Return when an SSH login works
    #[arg(long)]
    pub wait: bool,
    /// How long the guest has to power down, and then to come up
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Arguments for QEMU, appended, in place of those of the last start; `--` alone takes them off
    #[arg(last = true, value_name = "QEMU ARGS", conflicts_with = "reset")]
    pub extra: Vec<String>,
}

/// Kill VMs with SIGKILL, and clean up behind them
///
/// `--all` takes runs too, and VMs that were in the config when they were started.
#[derive(Debug, Args)]
#[command(after_help = super::examples::KILL)]
pub struct KillArgs {
    #[command(flatten)]
    pub vms: Vms,
}
