//! A finding of `check`: its code, its place, and what to do about it.

use crate::Place;
use serde::Serialize;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A fault of a VM: something will fail, or may not do what the user meant.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The VM.
    pub vm: String,
    /// The other VMs that share it.
    pub others: Vec<String>,
    /// The kind of the finding.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The config's line that causes it.
    pub place: Option<Place>,
}

/// How serious it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The VM will not start, or can't be reached.
    Error,
    /// It starts, but may not do what the user meant.
    Warning,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $severity:ident,)*) => {
        /// The kind of a finding; `docs/check.md` shows each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// All kinds.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// Its stable name.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// How serious it is.
            pub fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// The VM's config is wrong, so nothing else was checked.
    ConfigInvalid "config_invalid" Error,
    /// The QEMU binary can't be run.
    QemuNotRun "qemu_not_run" Error,
    /// The binary does not answer as QEMU does.
    QemuUnknown "qemu_unknown" Warning,
    /// QEMU has no such option.
    UnknownOption "unknown_option" Error,
    /// An option needs a value and has none.
    MissingValue "missing_value" Error,
    /// QEMU has no such machine.
    UnknownMachine "unknown_machine" Error,
    /// QEMU has no such CPU model.
    UnknownCpu "unknown_cpu" Error,
    /// QEMU has no such accelerator.
    UnknownAccelerator "unknown_accelerator" Error,
    /// QEMU has no such device.
    UnknownDevice "unknown_device" Error,
    /// QEMU has no such network card.
    UnknownNic "unknown_nic" Error,
    /// The device or machine has no such property.
    UnknownProperty "unknown_property" Error,
    /// A file that an option names does not exist.
    FileMissing "file_missing" Error,
    /// A file that an option names can't be read.
    FileUnreadable "file_unreadable" Error,
    /// A disk image that is not read-only can't be written.
    FileUnwritable "file_unwritable" Warning,
    /// A disk image is in use by another process.
    ImageLocked "image_locked" Error,
    /// Several VMs write to one disk image.
    ImageShared "image_shared" Warning,
    /// The image tool can't open a disk image, or one that it is based on.
    ImageBroken "image_broken" Error,
    /// A disk image has another format than the option names.
    ImageFormatWrong "image_format_wrong" Error,
    /// A disk image is opened as raw, but has another format.
    ImageReadRaw "image_read_raw" Warning,
    /// The image tool that the config names can't be run.
    ImageToolNotRun "image_tool_not_run" Warning,
    /// `/dev/kvm` can't be opened or makes no machine, and the VM allows only KVM.
    KvmUnavailable "kvm_unavailable" Error,
    /// The runtime directory can't be made or used, or its file system has no sockets.
    RuntimeDirUnusable "runtime_dir_unusable" Error,
    /// QEMU can't listen on a port of the host.
    PortUnavailable "port_unavailable" Error,
    /// Several VMs use one port of the host.
    PortShared "port_shared" Warning,
    /// The path of a unix socket is too long.
    SocketPathTooLong "socket_path_too_long" Error,
    /// The machine has nothing to boot.
    NothingToBoot "nothing_to_boot" Warning,
    /// A forwarded port is open to the network.
    HostfwdOpen "hostfwd_open" Warning,
    /// Nothing forwards the SSH port into the guest.
    SshNotForwarded "ssh_not_forwarded" Warning,
    /// ssh can't read an option.
    SshOptionRefused "ssh_option_refused" Error,
    /// An `IdentityFile` does not exist.
    SshKeyMissing "ssh_key_missing" Warning,
    /// Other users can read an `IdentityFile`.
    SshKeyOpen "ssh_key_open" Warning,
    /// An `IdentityFile` can't be read.
    SshKeyUnreadable "ssh_key_unreadable" Warning,
    /// An `IdentityFile` has a passphrase, and no agent has the key.
    SshKeyLocked "ssh_key_locked" Warning,
}

/// Merges equal findings of several VMs into one, at the first of these VMs.
pub(super) fn merge(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::with_capacity(findings.len());
    let mut known = HashMap::new();
    for finding in findings {
        let span = finding.place.as_ref().map(|place| place.span.clone());
        match known.entry((finding.code.name(), span, finding.message.clone())) {
            Entry::Vacant(entry) => {
                entry.insert(merged.len());
                merged.push(finding);
            }
            Entry::Occupied(entry) => merged[*entry.get()].share(finding.vm),
        }
    }
    merged
}

impl Finding {
    /// How serious it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Adds another VM. The findings of one VM come in a row, so comparing with the last is enough.
    pub(super) fn share(&mut self, vm: String) {
        if self.vm != vm && self.others.last() != Some(&vm) {
            self.others.push(vm);
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn did_you_mean(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}
