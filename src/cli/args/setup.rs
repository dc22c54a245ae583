//! Arguments of the verbs around the config and the shell.

use crate::cli::completions;
use clap::Args;
use std::path::PathBuf;

/// Find problems in VMs before they start
///
/// Asks QEMU itself for its options, machines, CPUs and devices. Files must exist and be readable,
/// images must not be in use, and ports must be free. Exits with 1 if there is an error.
#[derive(Debug, Args)]
#[command(after_help = super::examples::CHECK)]
pub struct CheckArgs {
    /// The VMs; `*` and `?` are wildcards [default: all VMs of the config]
    #[arg(value_name = "VM", add = completions::vm_names())]
    pub vms: Vec<String>,
    /// Exit with 1 for warnings too
    #[arg(long)]
    pub strict: bool,
}

/// Print blocks for ~/.ssh/config, for plain ssh, rsync and sshfs
///
/// A VM whose port is `auto` must be running. The blocks use the shared connection of `qqmgr ssh`.
#[derive(Debug, Args)]
#[command(after_help = super::examples::SSH_CONFIG)]
pub struct SshConfigArgs {
    /// The VMs; `*` and `?` are wildcards
    #[arg(value_name = "VM", required_unless_present = "all", add = completions::vm_names())]
    pub vms: Vec<String>,
    /// All VMs whose port is known
    #[arg(long, conflicts_with = "vms")]
    pub all: bool,
}

/// Write a qqmgr.toml with one VM; an existing file is never overwritten
///
/// The VM boots the given image or kernel, or else what is next to the file: an image (`*.qcow2`,
/// `*.img`, `*.raw`), a kernel (`bzImage`, `vmlinuz`, or one that was built there) and its initrd. If
/// there is none, the file shows what to fill in.
#[derive(Debug, Args)]
#[command(after_help = super::examples::INIT)]
pub struct InitArgs {
    /// The name of its VM
    #[arg(default_value = "vm")]
    pub vm: String,
    /// A disk image to boot from
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// A kernel to boot
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// The kernel's initrd
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub initrd: Option<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "LINE", requires = "kernel")]
    pub append: Option<String>,
}

/// Run QEMU itself under gdb, or gdb on a running guest
///
/// Without --guest, gdb's `run` starts QEMU with the VM's arguments, and does not stop at the signals
/// that QEMU sends itself (SIGUSR1). With --guest, QEMU opens its gdb stub on the running VM, for this
/// user only, and gdb attaches to it: the guest stops while gdb is attached.
#[derive(Debug, Args)]
#[command(after_help = super::examples::GDB)]
pub struct GdbArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Debug the guest of the running VM
    #[arg(long)]
    pub guest: bool,
    /// Print the command for gdb instead of starting gdb
    #[arg(long, requires = "guest")]
    pub print: bool,
    /// The gdb to run, such as gdb-multiarch
    #[arg(long, value_name = "PROGRAM", default_value = "gdb")]
    pub gdb: String,
    /// Arguments for gdb
    #[arg(last = true, value_name = "GDB ARGS")]
    pub args: Vec<String>,
}

/// Show a manual page
///
/// On a terminal, man(1) shows it. In a pipe, it is printed as roff(7).
#[derive(Debug, Args)]
#[command(after_help = super::examples::MAN)]
pub struct ManArgs {
    /// A command, or qqmgr.toml [default: the page of qqmgr itself]
    #[arg(conflicts_with = "write", add = completions::pages())]
    pub page: Option<String>,
    /// Write all pages into man1 and man5 of this directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub write: Option<PathBuf>,
}

/// Print a completion script for a shell; VM names complete from the config
#[derive(Debug, Args)]
#[command(after_help = super::examples::COMPLETIONS)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: completions::Shell,
}
