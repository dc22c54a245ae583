//! Arguments of the verbs that drive any QEMU.

use super::duration;
use crate::cli::{completions, size};
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Show the block devices of a VM, or of any QEMU
///
/// Those of `-drive` and `-blockdev`, with what is in them; nodes with names that are no device's own;
/// and the jobs that run.
#[derive(Debug, Args)]
#[command(after_help = super::examples::BLOCKS)]
pub struct BlocksArgs {
    /// A VM of the config, or any QEMU: pid:1234, unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(add = completions::vm_names())]
    pub target: String,
}

/// List, add and remove the devices of a VM, or of any QEMU
///
/// `add` takes what `-device` does, as KEY=VALUE. `rm` returns when the device is gone: most buses
/// have to ask the guest first.
#[derive(Debug, Args)]
#[command(after_help = super::examples::DEVICE)]
pub struct DeviceArgs {
    /// What to do
    pub action: DeviceAction,
    /// A VM of the config, or any QEMU: pid:1234, unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(add = completions::vm_names())]
    pub target: String,
    /// With `rm` the id; with `add` driver=DRIVER id=ID, and other properties
    #[arg(value_name = "ID|KEY=VALUE")]
    pub words: Vec<String>,
    /// How long the guest has to release a device: 500ms, 20s, 1h30m, 2d or plain seconds
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// What `device` does.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DeviceAction {
    /// Show the devices that have an id
    List,
    /// Add a device
    Add,
    /// Remove a device
    Rm,
}

/// Show or limit the speed of a block device
///
/// Limits that are not named stay; 0 removes one. Bytes take QEMU's suffixes: 64K, 100M, 2G.
#[derive(Debug, Args)]
#[command(after_help = super::examples::THROTTLE)]
pub struct ThrottleArgs {
    /// A VM of the config, or any QEMU: pid:1234, unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(add = completions::vm_names())]
    pub target: String,
    /// The device, as `qqmgr blocks` calls it, or the id of its -device
    pub device: String,
    /// Bytes per second, read and written; replaces --bps-read and --bps-write
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    #[arg(conflicts_with_all = ["bps_read", "bps_write"])]
    pub bps: Option<u64>,
    /// Bytes read per second
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    pub bps_read: Option<u64>,
    /// Bytes written per second
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    pub bps_write: Option<u64>,
    /// Operations per second; replaces --iops-read and --iops-write
    #[arg(long, value_name = "N", conflicts_with_all = ["iops_read", "iops_write"])]
    pub iops: Option<u64>,
    /// Reads per second
    #[arg(long, value_name = "N")]
    pub iops_read: Option<u64>,
    /// Writes per second
    #[arg(long, value_name = "N")]
    pub iops_write: Option<u64>,
    /// Remove all limits
    #[arg(long)]
    #[arg(conflicts_with_all = ["bps", "bps_read", "bps_write", "iops", "iops_read", "iops_write"])]
    pub off: bool,
}

/// Take the medium out of a drive of a VM, or of any QEMU
#[derive(Debug, Args)]
#[command(after_help = super::examples::EJECT)]
pub struct EjectArgs {
    /// A VM of the config, or any QEMU: pid:1234, unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(add = completions::vm_names())]
    pub target: String,
    /// The drive, as `qqmgr blocks` calls it, or the id of its -device
    pub device: String,
    /// Even if the guest has locked the tray
    #[arg(long)]
    pub force: bool,
}

/// Put a medium into a drive of a VM, or of any QEMU, in place of the one that is in it
#[derive(Debug, Args)]
#[command(after_help = super::examples::INSERT)]
pub struct InsertArgs {
    /// A VM of the config, or any QEMU: pid:1234, unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(add = completions::vm_names())]
    pub target: String,
    /// The drive, as `qqmgr blocks` calls it, or the id of its -device
    pub device: String,
    /// The image, or anything else that QEMU opens, such as nbd://host/name
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub file: String,
    /// The image's format, such as raw [default: QEMU finds it out]
    #[arg(long)]
    pub format: Option<String>,
    /// Even if the guest has locked the tray
    #[arg(long)]
    pub force: bool,
}

/// Run a QMP command on a VM, or on any QEMU, and print the answer
///
/// KEY=VALUE becomes JSON of the type that the command takes; `a.b=1` is an object in an object, and
/// KEY:=JSON is taken as it is. One argument in braces is a JSON object, and `-` reads it from
/// standard input.
#[derive(Debug, Args)]
#[command(after_help = super::examples::QMP)]
pub struct QmpArgs {
    /// A VM of the config, or any QEMU: pid:1234, unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(add = completions::vm_names())]
    pub target: String,
    /// The command
    pub command: Option<String>,
    /// Its arguments
    #[arg(value_name = "KEY=VALUE")]
    pub arguments: Vec<String>,
    /// List the commands that this QEMU has, with their arguments: all, or those whose names match
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, default_missing_value = "*")]
    #[arg(conflicts_with_all = ["command", "arguments"])]
    pub list: Option<String>,
    /// How long QEMU may take: 500ms, 20s, 1h30m, 2d or plain seconds
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// Save what a guest shows on its display, as PNG
///
/// The display's device has to be part of the VM (`-device VGA`); a window is not needed.
#[derive(Debug, Args)]
#[command(after_help = super::examples::SCREENSHOT)]
pub struct ScreenshotArgs {
    /// A VM of the config, or any QEMU: pid:1234, unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(add = completions::vm_names())]
    pub target: String,
    /// The file; `-` is standard output
    #[arg(value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// The id of the display's device [default: the first display]
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,
    /// Which output of that device
    #[arg(long, value_name = "N", default_value_t = 0, requires = "device")]
    pub head: u32,
}

/// Press keys on a guest's keyboard
///
/// Keys have QEMU's names, such as a, 1, ret, esc, f1, ctrl, alt, shift, delete, sysrq. Those joined
/// by `-` are held down together. Returns when all keys are released.
#[derive(Debug, Args)]
#[command(after_help = super::examples::SENDKEY)]
pub struct SendkeyArgs {
    /// A VM of the config, or any QEMU: pid:1234, unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(add = completions::vm_names())]
    pub target: String,
    /// The keys, one after another
    #[arg(required = true, value_name = "KEY[-KEY...]")]
    pub keys: Vec<String>,
    /// How long after each press and each release the next one comes
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration::parse)]
    pub hold: Duration,
}

/// Type text on a guest's keyboard
///
/// The guest has to expect the US layout. Returns when all keys are released.
#[derive(Debug, Args)]
#[command(after_help = super::examples::TYPE)]
pub struct TypeArgs {
    /// A VM of the config, or any QEMU: pid:1234, unix:/path/to/qmp.sock, tcp:127.0.0.1:4444
    #[arg(add = completions::vm_names())]
    pub target: String,
    /// The text; `-` reads it from standard input
    #[arg(allow_hyphen_values = true)]
    pub text: String,
    /// Press Enter at the end
    #[arg(long)]
    pub enter: bool,
    /// How long after each press and each release the next one comes
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = duration::parse)]
    pub hold: Duration,
}
