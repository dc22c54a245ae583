//! Warns of a machine that has nothing to boot: no kernel, disk, firmware, network or saved state.

use super::finding::{Code, Finding};
use super::subject::Subject;
use crate::qemu_args::{Opt, Properties};

/// Options that may provide something to boot; with `-S` a debugger may load it.
const SOURCES: [&str; 23] = [
    "kernel",
    "bios",
    "pflash",
    "drive",
    "blockdev",
    "hda",
    "hdb",
    "hdc",
    "hdd",
    "fda",
    "fdb",
    "cdrom",
    "sd",
    "mtdblock",
    "incoming",
    "loadvm",
    "readconfig",
    "option-rom",
    "S",
    "preconfig",
    "qtest",
    "xen-attach",
    "xen-domid",
];

/// Devices that may provide it without a `-drive`; any other device does if it has a `bootindex`.
const DEVICES: [&str; 7] =
    ["loader", "guest-loader", "vfio", "vhost-user", "vhost-scsi", "usb-host", "usb-redir"];

/// Machines that need nothing to boot, or get it from elsewhere.
const MACHINES: [&str; 4] = ["none", "microvm", "xen", "x-remote"];

/// Properties of the user network that provide something to boot.
const NETWORK: [&str; 2] = ["tftp", "bootfile"];

/// The warning, if there is nothing to boot. If the meaning of an option is unknown, there is none.
pub fn finding(subject: &Subject, found: &[Finding]) -> Option<Finding> {
    let obscure = |finding: &Finding| {
        let unknown =
            [Code::UnknownOption, Code::MissingValue, Code::UnknownDevice, Code::UnknownMachine];
        unknown.contains(&finding.code)
    };
    if subject.table.is_empty() || found.iter().any(obscure) {
        return None;
    }
    if subject.options.iter().any(boots) {
        return None;
    }
    let hint = "add a disk (`-drive`), a kernel (`-kernel`) or a CD (`-cdrom`)";
    let message = "nothing to boot: no disk, kernel, CD, firmware or network";
    Some(subject.about_all(Code::NothingToBoot, message.to_owned()).hint(hint))
}

/// Whether an option may provide something to boot.
fn boots(opt: &Opt) -> bool {
    let properties = opt.value.map(|value| Properties::parse(&value.text)).unwrap_or_default();
    let first = |key: &str| properties.implied(key).unwrap_or_default();
    match opt.name {
        name if SOURCES.contains(&name) => true,
        "boot" => ["order", "once"].iter().any(|key| first(key).contains('n')),
        "device" => {
            let driver = first("driver");
            let may = DEVICES.iter().any(|name| driver.starts_with(name));
            may || properties.get("bootindex").is_some()
        }
        "machine" | "M" => {
            let kind = first("type");
            let keys = ["firmware", "kernel", "pflash0", "pflash1"];
            MACHINES.iter().any(|name| kind.starts_with(name))
                || keys.iter().any(|key| properties.get(key).is_some())
        }
        "accel" => first("accel").contains("qtest"),
        "netdev" | "nic" | "net" => {
            // Any other network may have a boot server.
            let kind = first("type");
            !matches!(kind, "user" | "none" | "nic" | "hubport" | "")
                || NETWORK.iter().any(|key| properties.get(key).is_some())
        }
        _ => false,
    }
}
