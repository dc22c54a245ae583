//! Arguments of the verbs that begin and end a VM's life.

use super::{Vms, duration};
use crate::cli::completions;
use crate::wait::Condition;
use clap::Args;
use std::num::ParseIntError;
use std::time::Duration;

/// Start VMs, and return when QEMU answers
///
/// If a VM is already running, it stays as it is, and the exit code is 0.
#[derive(Debug, Args)]
#[command(after_help = super::examples::START)]
pub struct StartArgs {
    #[command(flatten)]
    pub vms: Vms,
    /// Wait for an SSH login, or for the conditions of --for
    #[arg(long)]
    pub wait: bool,
    /// Wait for this condition (see `qqmgr wait --help`); can be repeated
    #[arg(long = "for", value_name = "COND", add = completions::conditions())]
    pub conditions: Vec<Condition>,
    /// How long to wait in all: 500ms, 20s, 1h30m, 2d or plain seconds
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Print QEMU's command line instead: quoted for a shell, or as a JSON list
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// End the VM this long after QEMU answers; replaces the lease of a VM that is already running,
    /// and `none` removes it
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub ttl: Option<Limit<Duration>>,
    /// End the VM when this process exits; replaces the lease of a VM that is already running, and
    /// `none` removes it
    #[arg(long, value_name = "PID", value_parser = owner_pid)]
    pub owner_pid: Option<Limit<u32>>,
    /// More arguments for QEMU, appended; ignored if the VM is already running
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

/// Stop VMs, and return when their processes have exited
///
/// Asks the guest to power down (ACPI), unless it is paused or has panicked. After the timeout: QMP
/// `quit`, then SIGTERM, then SIGKILL. `--all` includes throwaway instances, and running VMs that are
/// no longer in the config.
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
/// Reads the config again. Keeps the QEMU arguments after `--` of the last start, unless others follow
/// here, and the lease with its end time. Starts a VM that is not running.
#[derive(Debug, Args)]
#[command(after_help = super::examples::RESTART)]
pub struct RestartArgs {
    #[command(flatten)]
    pub vms: Vms,
    /// Reset the machine, as its reset button would; QEMU keeps running
    #[arg(long)]
    pub reset: bool,
    /// Return when an SSH login works
    #[arg(long)]
    pub wait: bool,
    /// How long the guest has to power down, and then to come up
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Arguments for QEMU, appended, instead of those of the last start; `--` alone removes them
    #[arg(last = true, value_name = "QEMU ARGS", conflicts_with = "reset")]
    pub extra: Vec<String>,
}

/// Kill VMs with SIGKILL, and clean up after them
///
/// `--all` includes throwaway instances, and running VMs that are no longer in the config.
#[derive(Debug, Args)]
#[command(after_help = super::examples::KILL)]
pub struct KillArgs {
    #[command(flatten)]
    pub vms: Vms,
}
