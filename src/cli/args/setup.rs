//! Arguments of the verbs around the config and the shell.

use crate::cli::completions;
use clap::Args;

/// Tell what is wrong with VMs before they are launched, without launching them
///
/// QEMU itself is asked for its options, machines, CPUs and devices; files have to be there and
/// readable, images not in use, ports free. Exits with 1 when there is an error.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::check::EXAMPLES)]
pub struct CheckArgs {
    /// The VMs; all of the config when none is named
    #[arg(value_name = "VM", add = completions::vm_names())]
    pub vms: Vec<String>,
    /// Exit with 1 for warnings too
    #[arg(long)]
    pub strict: bool,
}

/// Print a completion script for a shell; VM names complete from the config
#[derive(Debug, Args)]
#[command(after_help = crate::cli::completions::EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: completions::Shell,
}
