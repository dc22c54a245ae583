//! Arguments of the verbs that begin and end a VM's life.

use crate::cli::completions;
use crate::duration;
use clap::Args;
use std::time::Duration;

/// Start a VM and return when QEMU has answered
#[derive(Debug, Args)]
#[command(after_help = crate::cli::start::EXAMPLES)]
pub struct StartArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Return when an SSH login works
    #[arg(long)]
    pub wait: bool,
    /// How long to wait in all: 500ms, 20s, 2m or plain seconds
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Print QEMU's command line instead: quoted for a shell, or as a JSON list
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// More arguments for QEMU, appended
    #[arg(last = true, value_name = "QEMU ARGS")]
    pub extra: Vec<String>,
}

/// Stop a VM and return when its process is gone
///
/// The guest is asked to power down (ACPI). When it has not by the timeout: QMP `quit`, then
/// SIGTERM, then SIGKILL.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::stop::EXAMPLES)]
pub struct StopArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// How long the guest has to power down: 500ms, 20s, 2m or plain seconds
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Don't ask the guest: begin with QMP `quit`
    #[arg(long)]
    pub force: bool,
}
