//! Names of events: patterns for them, and the ones that QEMU documents.

use crate::suggest;

/// The events of QEMU's QMP Reference up to 10.1. A QEMU may know others: this is for hints only.
const KNOWN: &[&str] = &[
    "ACPI_DEVICE_OST",
    "BALLOON_CHANGE",
    "BLOCK_EXPORT_DELETED",
    "BLOCK_IMAGE_CORRUPTED",
    "BLOCK_IO_ERROR",
    "BLOCK_JOB_CANCELLED",
    "BLOCK_JOB_COMPLETED",
    "BLOCK_JOB_ERROR",
    "BLOCK_JOB_PENDING",
    "BLOCK_JOB_READY",
    "BLOCK_WRITE_THRESHOLD",
    "COLO_EXIT",
    "CPU_POLARIZATION_CHANGE",
    "DEVICE_DELETED",
    "DEVICE_TRAY_MOVED",
    "DEVICE_UNPLUG_GUEST_ERROR",
    "DUMP_COMPLETED",
    "FAILOVER_NEGOTIATED",
    "GUEST_CRASHLOADED",
    "GUEST_PANICKED",
    "GUEST_PVSHUTDOWN",
    "HV_BALLOON_STATUS_REPORT",
    "JOB_STATUS_CHANGE",
    "MEMORY_DEVICE_SIZE_CHANGE",
    "MEMORY_FAILURE",
    "MEM_UNPLUG_ERROR",
    "MIGRATION",
    "MIGRATION_PASS",
    "NETDEV_STREAM_CONNECTED",
    "NETDEV_STREAM_DISCONNECTED",
    "NETDEV_VHOST_USER_CONNECTED",
    "NETDEV_VHOST_USER_DISCONNECTED",
    "NIC_RX_FILTER_CHANGED",
    "POWERDOWN",
    "PR_MANAGER_STATUS_CHANGED",
    "QUORUM_FAILURE",
    "QUORUM_REPORT_BAD",
    "RDMA_GID_STATUS_CHANGED",
    "RESET",
    "RESUME",
    "RTC_CHANGE",
    "SHUTDOWN",
    "SPICE_CONNECTED",
    "SPICE_DISCONNECTED",
    "SPICE_INITIALIZED",
    "SPICE_MIGRATE_COMPLETED",
    "STOP",
    "SUSPEND",
    "SUSPEND_DISK",
    "UNPLUG_PRIMARY",
    "VFIO_MIGRATION",
    "VFU_CLIENT_HANGUP",
    "VNC_CONNECTED",
    "VNC_DISCONNECTED",
    "VNC_INITIALIZED",
    "VSERPORT_CHANGE",
    "WAKEUP",
    "WATCHDOG",
];

/// The documented event that `name` is probably a slip of; `None` for a pattern, a name that is
/// right, and one like no other.
pub fn nearest_name(name: &str) -> Option<&'static str> {
    let known = KNOWN.iter().copied();
    let filter = Filter::new([name]);
    if name.contains('*') || known.clone().any(|event| filter.matches(event)) {
        return None;
    }
    suggest::nearest(name, known)
}

/// Which events are wanted: all, or those that one of some names fits.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    patterns: Vec<String>,
}

impl Filter {
    /// A filter of names as users write them: case counts for nothing, `*` stands for any text.
    /// Without names, it lets everything pass.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Filter {
        let patterns = names.into_iter().map(|name| name.as_ref().to_ascii_uppercase());
        Filter { patterns: patterns.collect() }
    }

    /// Whether the event called `name` is wanted.
    pub fn matches(&self, name: &str) -> bool {
        let fits = |pattern: &String| fits(pattern, name);
        self.patterns.is_empty() || self.patterns.iter().any(fits)
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<_> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    // The first place where a part fits leaves the most to those that follow.
    for part in parts {
        match name.split_once(part) {
            Some((_, after)) => name = after,
            None => return false,
        }
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        for (pattern, name, wanted) in [
            ("STOP", "STOP", true),
            ("stop", "STOP", true),
            ("STOP", "STOPPED", false),
            ("block_*", "BLOCK_JOB_READY", true),
            ("*_READY", "BLOCK_JOB_READY", true),
            ("B*J*Y", "BLOCK_JOB_READY", true),
            ("B*X*Y", "BLOCK_JOB_READY", false),
            ("BLOCK_JOB_READY*Y", "BLOCK_JOB_READY", false),
            ("*", "STOP", true),
            ("**", "", true),
            ("", "STOP", false),
        ] {
            assert_eq!(Filter::new([pattern]).matches(name), wanted, "{pattern} {name}");
        }
        assert!(Filter::default().matches("STOP"));
        assert!(Filter::new(["RESET", "ST*"]).matches("STOP"));
    }

    #[test]
    fn slips_only() {
        assert_eq!(nearest_name("SHUTDWON"), Some("SHUTDOWN"));
        assert_eq!(nearest_name("shutdown"), None);
        assert_eq!(nearest_name("SHUTDWON*"), None);
        assert_eq!(nearest_name("X_MY_OWN_EVENT"), None);
    }
}
