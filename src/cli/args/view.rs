//! Arguments of the verbs that show what is.

use crate::cli::completions;
use clap::Args;

/// Show a VM's state, process, ports and files
#[derive(Debug, Args)]
#[command(after_help = crate::cli::status::EXAMPLES)]
pub struct StatusArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Exit with 4 when the VM is not running
    #[arg(long)]
    pub exit_code: bool,
}
