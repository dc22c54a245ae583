//! Arguments of the verbs around the config and the shell.

use crate::cli::completions;
use clap::Args;
use std::path::PathBuf;

/// Tell what is wrong with VMs before they are launched
///
/// QEMU itself is asked for its options, machines, CPUs and devices; files have to be there and
/// readable, images not in use, ports free. Exits with 1 when there is an error.
#[derive(Debug, Args)]
#[command(after_help = super::examples::CHECK)]
pub struct CheckArgs {
    /// The VMs, `*` and `?` stand for any characters of their names; all of the config when none is named
    #[arg(value_name = "VM", add = completions::vm_names())]
    pub vms: Vec<String>,
    /// Exit with 1 for warnings too
    #[arg(long)]
    pub strict: bool,
}

/// Print blocks for ~/.ssh/config, for plain ssh, rsync, sshfs
///
/// A VM whose port is `auto` has to be running. The blocks use the connection that `qqmgr ssh`
/// shares.
#[derive(Debug, Args)]
#[command(after_help = super::examples::SSH_CONFIG)]
pub struct SshConfigArgs {
    /// The VMs; `*` and `?` stand for any characters of their names
    #[arg(value_name = "VM", required_unless_present = "all", add = completions::vm_names())]
    pub vms: Vec<String>,
    /// All VMs whose port is known
    #[arg(long, conflicts_with = "vms")]
    pub all: bool,
}

/// Write a qqmgr.toml with a VM, never over another
///
/// The VM boots the image or the kernel that is named, or else what lies beside the file: an image
/// (`*.qcow2`, `*.img`, `*.raw`), a kernel (`bzImage`, `vmlinuz`, one that was built there) and its
/// initrd. With none of these the file has what to fill in.
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
/// Without --guest, QEMU is to be started by gdb's `run`, with the VM's arguments, and the signals
/// that it sends itself (SIGUSR1) pass through. With it, QEMU's gdb stub is opened on the running
/// VM, for this user alone, and gdb starts on that: the guest stops while gdb is attached.
#[derive(Debug, Args)]
#[command(after_help = super::examples::GDB)]
pub struct GdbArgs {
    /// The VM
    #[arg(add = completions::vm_names())]
    pub vm: String,
    /// Debug the guest of the running VM
    #[arg(long)]
    pub guest: bool,
    /// Print what to give to gdb instead of starting one
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
/// On a terminal man(1) shows it. In a pipe it is printed in roff(7).
#[derive(Debug, Args)]
#[command(after_help = super::examples::MAN)]
pub struct ManArgs {
    /// A command, or qqmgr.toml; without, the page of qqmgr itself
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
