//! What can fail when qqmgr works on a VM.

use super::ended::Ended;
use crate::Error;
use crate::config::PortUse;
use crate::error::{Place, colon, faults};
use crate::qmp;
use crate::text::duration;
use crate::text::source::{Diagnostic, Source};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What can fail when qqmgr works on a VM.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VmError {
    /// The command needs a VM that is running.
    #[error("VM `{vm}` is not running{}", how(ended))]
    NotRunning {
        /// The VM.
        vm: String,
        /// How it has ended, if it was ever started.
        ended: Option<Box<Ended>>,
    },
    /// The VM ended while it was needed.
    #[error("VM `{vm}` ended during the wait{}", how(ended))]
    Died {
        /// The VM.
        vm: String,
        /// How it ended.
        ended: Option<Box<Ended>>,
    },
    /// QEMU is running, but the directory with its sockets no longer exists.
    #[error("VM `{vm}` is running (pid {pid}), but its runtime directory was removed")]
    Orphaned {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
    },
    /// QEMU runs in a pid namespace that can't be seen from here.
    #[error("VM `{vm}` runs in another container or pid namespace")]
    Elsewhere {
        /// The VM.
        vm: String,
    },
    /// QEMU is running, but another config file started it.
    #[error("VM `{vm}` of another config file runs there (pid {pid}): {config:?} started it")]
    Foreign {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
        /// The other file.
        config: PathBuf,
    },
    /// The VM's directory can't be used.
    #[error("VM `{vm}` did not start: {error}")]
    RuntimeDir {
        /// The VM.
        vm: String,
        /// Why.
        #[source]
        error: Error,
    },
    /// There are no logs, since the VM has never run.
    #[error("VM `{vm}` has never been started")]
    NeverStarted {
        /// The VM.
        vm: String,
    },
    /// The command needs a VM that is stopped.
    #[error("VM `{vm}` is running (pid {pid})")]
    AlreadyRunning {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
    },
    /// A system call failed unexpectedly.
    #[error("VM `{vm}`: can't {action}: {error}")]
    System {
        /// The VM.
        vm: String,
        /// What was tried, as a verb.
        action: &'static str,
        /// Why it failed.
        #[source]
        error: io::Error,
    },
    /// Another qqmgr has been working on the VM for too long.
    #[error("VM `{vm}`: timed out after {} waiting for another qqmgr that starts or stops it", duration::format(*waited))]
    Locked {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
    },
    /// QEMU ended before it answered.
    #[error("VM `{vm}` did not start: QEMU {status}{}", colon(stderr))]
    QemuFailed {
        /// The VM.
        vm: String,
        /// How QEMU ended, such as `exited with code 1`.
        status: String,
        /// What QEMU said, sanitised.
        stderr: String,
        /// The config's line that QEMU complained about, if it can be found.
        place: Option<Place>,
    },
    /// Another qqmgr stopped the VM before it was up.
    #[error("VM `{vm}` was stopped while it was starting")]
    Stopped {
        /// The VM.
        vm: String,
    },
    /// Another process listens on a port of the host that the VM needs.
    #[error("VM `{vm}` did not start: its {} is in use by {owner}", port_use.describe(*port))]
    PortTaken {
        /// The VM.
        vm: String,
        /// The use of the port in this VM.
        port_use: PortUse,
        /// The port on the host.
        port: u16,
        /// The VM or process that listens on it.
        owner: String,
        /// The config's line for the port, if there is one.
        place: Option<Place>,
    },
    /// QEMU did not answer in time.
    #[error("VM `{vm}` did not start: QEMU did not answer on QMP within {}{}", duration::format(*waited), colon(stderr))]
    StartTimeout {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
        /// What QEMU said, sanitised.
        stderr: String,
    },
    /// QMP did not answer in time.
    #[error("VM `{vm}` (pid {pid}): {}", no_answer(*waited, *held))]
    QmpTimeout {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
        /// How long we waited.
        waited: Duration,
        /// Whether another client is connected to the socket.
        held: bool,
    },
    /// QMP sent a wrong answer, or hung up.
    #[error("VM `{vm}` (pid {pid}): {error}")]
    Qmp {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
        /// What happened.
        #[source]
        error: qmp::Error,
    },
    /// A reset would end the VM.
    #[error("VM `{vm}` can't be reset: with `{option}`, a reset ends it")]
    ResetEnds {
        /// The VM.
        vm: String,
        /// The QEMU option.
        option: String,
    },
    /// QEMU accepted the command to reset, but did not reset in time.
    #[error("VM `{vm}` was not reset within {}", duration::format(*waited))]
    NotReset {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
    },
    /// The process exists even after SIGKILL.
    #[error("VM `{vm}`: process {pid} still exists after SIGKILL")]
    Unkillable {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
    },
}

faults!(VmError {
    VmError::NotRunning { .. } => "vm_not_running", State;
    VmError::Died { .. } => "vm_died", Failed;
    VmError::Orphaned { .. } => "runtime_dir_removed", State;
    VmError::Elsewhere { .. } => "vm_elsewhere", State;
    VmError::Foreign { .. } => "vm_foreign", State;
    VmError::RuntimeDir { .. } => "runtime_dir_unusable", Failed;
    VmError::NeverStarted { .. } => "vm_never_started", State;
    VmError::AlreadyRunning { .. } => "vm_running", State;
    VmError::System { .. } => "system", Failed;
    VmError::Locked { .. } => "vm_locked", Timeout;
    VmError::QemuFailed { .. } => "qemu_failed", Failed;
    VmError::Stopped { .. } => "vm_stopped", Failed;
    VmError::PortTaken { port_use: PortUse::Ssh, .. } => "ssh_port_taken", Failed;
    VmError::PortTaken { .. } => "port_taken", Failed;
    VmError::StartTimeout { .. } => "start_timeout", Timeout;
    VmError::QmpTimeout { held: true, .. } => "qmp_held", Timeout;
    VmError::QmpTimeout { .. } => "qmp_timeout", Timeout;
    VmError::Qmp { .. } => "qmp_failed", Failed;
    VmError::ResetEnds { .. } => "reset_refused", State;
    VmError::NotReset { .. } => "reset_timeout", Timeout;
    VmError::Unkillable { .. } => "vm_unkillable", Timeout;
}
fn hint(&self) -> Option<String> {
    Some(match self {
        VmError::NotRunning { vm, .. } | VmError::NeverStarted { vm } => {
            format!("start it: qqmgr start {vm}")
        }
        VmError::ResetEnds { vm, .. } => format!("start it again: qqmgr restart {vm}"),
        VmError::Elsewhere { vm } => {
            format!("in the container that started it, stop it: qqmgr stop {vm}")
        }
        VmError::Foreign { vm, config, .. } => {
            let config = config.display().to_string();
            let config = shlex::try_quote(&config).ok()?;
            format!("use that config: qqmgr -c {config} status {vm}; or set a `runtime_dir` in each")
        }
        VmError::RuntimeDir { .. } => {
            "to use another directory, set `runtime_dir = \"...\"` at the top of the config, or $QQMGR_RUNTIME_DIR"
                .into()
        }
        VmError::Orphaned { vm, .. } => format!("it can only be stopped: qqmgr stop {vm}"),
        VmError::AlreadyRunning { vm, .. } => {
            format!("stop it: qqmgr stop {vm}; or debug its guest: qqmgr gdb --guest {vm}")
        }
        VmError::PortTaken { port_use, .. } => free_port(port_use),
        VmError::QmpTimeout { held: true, .. } => {
            "close the other client: QEMU serves only one on qmp.socket".into()
        }
        VmError::QmpTimeout { vm, .. } | VmError::Qmp { vm, .. } => {
            format!("if it stays hung: qqmgr stop --force {vm}")
        }
        _ => return None,
    })
}

fn is_crash(&self) -> bool {
    matches!(
        self,
        VmError::QemuFailed { .. } | VmError::StartTimeout { .. } | VmError::Died { .. }
    )
}

fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
    match self {
        VmError::QemuFailed { place: Some(place), .. }
        | VmError::PortTaken { place: Some(place), .. } => Some(place.of(self)),
        _ => None,
    }
}

fn ended(&self) -> Option<serde_json::Value> {
    match self {
        VmError::NotRunning { ended, .. } | VmError::Died { ended, .. } => {
            serde_json::to_value(ended.as_ref()?).ok()
        }
        _ => None,
    }
});

/// The hint to use a free port.
fn free_port(port_use: &PortUse) -> String {
    let (port, variable) = match port_use {
        PortUse::Ssh => ("port", "ssh.port".to_owned()),
        PortUse::Named(name) => (name.as_str(), format!("ports.{name}")),
        PortUse::Other => {
            return "for a free port at each start, name it: `[vm.NAME.ports] web = \"auto\"`, \
                    and `{{.vm.ports.web}}` in `cmd`"
                .into();
        }
    };
    format!("write `{port} = \"auto\"` and `{{{{.vm.{variable}}}}}` in `cmd` for a free one")
}

/// How a VM ended, if that is known.
fn how(ended: &Option<Box<Ended>>) -> String {
    ended.as_ref().map_or_else(String::new, |ended| colon(&ended.to_string()))
}

/// How QMP failed to answer.
pub(super) fn no_answer(waited: Duration, held: bool) -> String {
    let who = if held { ": another client uses the socket" } else { "" };
    format!("QMP did not answer within {}{who}", duration::format(waited))
}
