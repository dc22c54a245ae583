//! Arguments of the verbs that reach into the guest.

use crate::cli::completions;
use clap::Args;

/// Run OpenSSH's client on a running VM
///
/// What follows the VM's name is ssh's, as after a host's name; qqmgr's own options come before.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::ssh::EXAMPLES, override_usage = "qqmgr [OPTIONS] ssh VM [SSH ARGS]...")]
pub struct SshArgs {
    /// The VM, then arguments for ssh: a command, options such as -L, or none for a shell
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_names = ["VM", "SSH ARGS"], num_args = 1.., add = completions::vm_names())]
    pub words: Vec<String>,
}

/// Copy files and directories into a running VM
#[derive(Debug, Args)]
#[command(after_help = crate::cli::transfer::PUT_EXAMPLES, override_usage = "qqmgr put [OPTIONS] VM LOCAL... REMOTE")]
pub struct PutArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// What to copy, `-` for standard input, then where to in the guest
    #[arg(required = true, num_args = 2.., value_names = ["LOCAL", "REMOTE"])]
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<String>,
}

/// Copy files and directories out of a running VM
#[derive(Debug, Args)]
#[command(after_help = crate::cli::transfer::GET_EXAMPLES, override_usage = "qqmgr get [OPTIONS] VM REMOTE... LOCAL")]
pub struct GetArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// What to copy in the guest, then where to, `-` for standard output
    #[arg(required = true, num_args = 2.., value_names = ["REMOTE", "LOCAL"])]
    #[arg(value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<String>,
}
