//! Arguments of the verbs around the config and the shell.

use crate::cli::completions;
use clap::Args;

/// Print a completion script for a shell; VM names complete from the config
#[derive(Debug, Args)]
#[command(after_help = crate::cli::completions::EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: completions::Shell,
}
