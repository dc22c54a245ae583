//! Everything that can go wrong, in one place: what to say, what to do about it, how to exit.

use crate::config::{self, Diagnostic, Location, Source};
use crate::{console, duration, qmp};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why qqmgr could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The config file, or the VM that it should have.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The arguments contradict each other.
    #[error("{message}")]
    Usage {
        /// What is wrong with them.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The VM has to be running.
    #[error("VM `{vm}` is not running")]
    NotRunning {
        /// The VM.
        vm: String,
    },
    /// There are no logs, since the VM has never run.
    #[error("VM `{vm}` has never been started")]
    NeverStarted {
        /// The VM.
        vm: String,
    },
    /// Somebody is attached to the VM's console or monitor.
    #[error("VM `{vm}`: its {port} is in use by {}", user(*pid))]
    ConsoleHeld {
        /// The VM.
        vm: String,
        /// What of it.
        port: console::Port,
        /// The qqmgr that is attached; `None` for another program.
        pid: Option<u32>,
    },
    /// Another qqmgr took the console or monitor that we were attached to.
    #[error("VM `{vm}`: its {port} was taken over by another qqmgr (pid {pid})")]
    ConsoleTaken {
        /// The VM.
        vm: String,
        /// What of it.
        port: console::Port,
        /// Who has it now.
        pid: u32,
    },
    /// The guest's output did not come to what was waited for.
    #[error("VM `{vm}`: what is awaited from its {port} did not come within {}", duration::format(*waited))]
    ConsoleTimeout {
        /// The VM.
        vm: String,
        /// What of it.
        port: console::Port,
        /// How long we waited.
        waited: Duration,
    },
    /// The VM has to be stopped.
    #[error("VM `{vm}` is running (pid {pid})")]
    AlreadyRunning {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
    },
    /// The port for SSH is picked at each start, and the VM was not started.
    #[error("VM `{vm}` is not running, and its SSH port is picked when it starts")]
    SshPortUnknown {
        /// The VM.
        vm: String,
    },
    /// A file that is not to be overwritten.
    #[error("{path:?} is there already")]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// QEMU opened no gdb stub.
    #[error("VM `{vm}`: QEMU opened no gdb stub{}", colon(answer))]
    GdbStub {
        /// The VM.
        vm: String,
        /// What QEMU's monitor said.
        answer: String,
    },
    /// A file or directory of ours can't be used.
    #[error("can't {action} {path:?}: {error}")]
    File {
        /// What was tried, as verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A runtime directory that is not safe to use.
    #[error("the runtime directory {path:?} is refused: it {reason}")]
    UnsafeDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A system call failed that should not have.
    #[error("VM `{vm}`: can't {action}: {error}")]
    System {
        /// The VM.
        vm: String,
        /// What was tried, as verb.
        action: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// A program can't be executed.
    #[error("can't run `{program}`: {error}")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        error: io::Error,
        /// Where the config names it.
        place: Option<Place>,
    },
    /// Another qqmgr works on the VM for too long.
    #[error("VM `{vm}`: another qqmgr has been starting or stopping it for {}", duration::format(*waited))]
    Locked {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
    },
    /// The system has no means left for us to work with.
    #[error("qqmgr can't work: {error}")]
    Runtime {
        /// Why not.
        error: io::Error,
    },
    /// QEMU ended before it answered.
    #[error("VM `{vm}` did not start: QEMU {status}{}", colon(stderr))]
    QemuFailed {
        /// The VM.
        vm: String,
        /// How QEMU ended, such as `exited with code 1`.
        status: String,
        /// What QEMU said, made harmless.
        stderr: String,
        /// The config's line that QEMU complained about, where that can be told.
        place: Option<Place>,
    },
    /// The port for SSH is somebody else's.
    #[error("VM `{vm}` did not start: its SSH port {port} is taken by {owner}")]
    PortTaken {
        /// The VM.
        vm: String,
        /// The port on the host.
        port: u16,
        /// The VM or process that listens on it.
        owner: String,
    },
    /// QEMU did not answer in time.
    #[error("VM `{vm}` did not start: QEMU did not answer on QMP within {}{}", duration::format(*waited), colon(stderr))]
    StartTimeout {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
        /// What QEMU said, made harmless.
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
    /// QMP answered something else than it should, or hung up.
    #[error("VM `{vm}` (pid {pid}): {error}")]
    Qmp {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
        /// What happened.
        error: qmp::Error,
    },
    /// Its events can't be had.
    #[error("VM `{vm}`: can't listen to its events: {reason}")]
    Events {
        /// The VM.
        vm: String,
        /// Why not.
        reason: String,
    },
    /// There is a gap in its events.
    #[error("VM `{vm}`: events may have been missed here: {reason}")]
    EventsLost {
        /// The VM.
        vm: String,
        /// What made it.
        reason: &'static str,
    },
    /// Fewer events came in time than were wanted.
    #[error("VM `{vm}`: {seen} of {wanted} events came within {}", duration::format(*waited))]
    EventsTimeout {
        /// The VM.
        vm: String,
        /// How many came.
        seen: u64,
        /// How many were wanted.
        wanted: u64,
        /// How long we waited.
        waited: Duration,
    },
    /// What was waited for did not come in time.
    #[error("VM `{vm}`: waited {} for {missing}{}{detail}", duration::format(*waited), also_held(held))]
    WaitTimeout {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
        /// The conditions that did not hold.
        missing: String,
        /// Those that did.
        held: String,
        /// What else is known: what ssh said, how the serial log ends.
        detail: String,
    },
    /// Something holds that must not.
    #[error("VM `{vm}`: {condition} holds, which was not to be")]
    WaitFailed {
        /// The VM.
        vm: String,
        /// The condition.
        condition: String,
    },
    /// The VM ended while we waited for it.
    #[error("VM `{vm}` ended while it was waited for{}", colon(stderr))]
    Died {
        /// The VM.
        vm: String,
        /// What QEMU said, made harmless.
        stderr: String,
    },
    /// A file was not copied into or out of the guest.
    #[error("VM `{vm}`: `{what}` was not copied{}", colon(reason))]
    NotCopied {
        /// The VM.
        vm: String,
        /// The file.
        what: String,
        /// What scp said, made harmless.
        reason: String,
    },
    /// The guest's kernel panicked.
    #[error("VM `{vm}`: the guest panicked{}", log_end(serial))]
    Panicked {
        /// The VM.
        vm: String,
        /// The end of the serial log, made harmless.
        serial: String,
    },
    /// A VM that died or never came up, and where all that is known of it was put.
    #[error("{error}")]
    Crashed {
        /// What happened.
        error: Box<Error>,
        /// The directory.
        bundle: PathBuf,
    },
    /// Even SIGKILL did not end it.
    #[error("VM `{vm}`: process {pid} is still there after SIGKILL")]
    Unkillable {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
    },
}

/// A place in a config file, with the text to show it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The place.
    pub span: config::Span,
}

impl Error {
    /// The stable name of this kind of error; the JSON reference lists them.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Config(config::Error::NotFound { .. }) => "config_not_found",
            Error::Config(config::Error::CurrentDir(_) | config::Error::Unreadable { .. }) => {
                "config_unreadable"
            }
            Error::Config(config::Error::Invalid { .. }) => "config_invalid",
            Error::Config(config::Error::NoSuchVm { .. }) => "vm_not_found",
            Error::Usage { .. } => "usage",
            Error::NotRunning { .. } => "vm_not_running",
            Error::NeverStarted { .. } => "vm_never_started",
            Error::ConsoleHeld { .. } => "console_held",
            Error::ConsoleTaken { .. } => "console_taken",
            Error::ConsoleTimeout { .. } => "console_timeout",
            Error::AlreadyRunning { .. } => "vm_running",
            Error::SshPortUnknown { .. } => "ssh_port_unknown",
            Error::FileExists { .. } => "file_exists",
            Error::GdbStub { .. } => "gdb_stub_failed",
            Error::File { .. } => "file",
            Error::UnsafeDir { .. } => "runtime_dir_refused",
            Error::System { .. } | Error::Runtime { .. } => "system",
            Error::Spawn { .. } => "program_not_run",
            Error::Locked { .. } => "vm_locked",
            Error::QemuFailed { .. } => "qemu_failed",
            Error::PortTaken { .. } => "ssh_port_taken",
            Error::StartTimeout { .. } => "start_timeout",
            Error::QmpTimeout { held: true, .. } => "qmp_held",
            Error::QmpTimeout { .. } => "qmp_timeout",
            Error::Qmp { .. } => "qmp_failed",
            Error::Events { .. } => "events_failed",
            Error::EventsLost { .. } => "events_lost",
            Error::EventsTimeout { .. } => "events_timeout",
            Error::WaitTimeout { .. } => "wait_timeout",
            Error::WaitFailed { .. } => "wait_failed",
            Error::Died { .. } => "vm_died",
            Error::NotCopied { .. } => "not_copied",
            Error::Panicked { .. } => "guest_panicked",
            Error::Crashed { error, .. } => error.code(),
            Error::Unkillable { .. } => "vm_unkillable",
        }
    }

    /// The exit code: 1 failed, 2 usage, 3 config, 4 no such VM or not in that state, 5 timed out.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Config(config::Error::NoSuchVm { .. })
            | Error::NotRunning { .. }
            | Error::NeverStarted { .. }
            | Error::AlreadyRunning { .. }
            | Error::SshPortUnknown { .. } => 4,
            Error::Config(_) => 3,
            Error::Usage { .. } => 2,
            Error::Crashed { error, .. } => error.exit_code(),
            Error::Locked { .. }
            | Error::StartTimeout { .. }
            | Error::QmpTimeout { .. }
            | Error::EventsTimeout { .. }
            | Error::WaitTimeout { .. }
            | Error::ConsoleTimeout { .. }
            | Error::Unkillable { .. } => 5,
            _ => 1,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Config(error) => config_hint(error),
            Error::Usage { hint, .. } => hint.clone(),
            Error::Crashed { error, .. } => error.hint(),
            Error::NotRunning { vm } | Error::NeverStarted { vm } => {
                Some(format!("start it: qqmgr start {vm}"))
            }
            Error::ConsoleHeld { pid: Some(_), .. } => Some("--force takes it over".into()),
            Error::ConsoleHeld { port, .. } => Some(format!(
                "QEMU serves one client at a time on {}; end the other one",
                port.socket()
            )),
            Error::AlreadyRunning { vm, .. } => Some(format!(
                "stop it: qqmgr stop {vm}; or debug its guest: qqmgr gdb --guest {vm}"
            )),
            Error::SshPortUnknown { vm } => {
                Some(format!("start it: qqmgr start {vm}; or give it a port of its own"))
            }
            Error::FileExists { .. } => Some("name another one with -c, or move it away".into()),
            Error::UnsafeDir { .. } => {
                Some("a VM's directory has to be a real one of your own; move this one away".into())
            }
            Error::Spawn { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                Some("is it installed and in $PATH?".into())
            }
            Error::PortTaken { .. } => Some(
                "write `port = \"auto\"` and `{{.vm.ssh.port}}` in `cmd` for a free one".into(),
            ),
            Error::QmpTimeout { held: true, .. } => {
                Some("QEMU serves one client at a time on qmp.socket; end the other one".into())
            }
            Error::QmpTimeout { vm, .. } | Error::Qmp { vm, .. } => {
                Some(format!("if it hangs for good: qqmgr stop --force {vm}"))
            }
            Error::WaitTimeout { vm, .. } => {
                Some(format!("the VM goes on running; stop it with: qqmgr stop {vm}"))
            }
            _ => None,
        }
    }

    /// The place in the config file, for errors that have one.
    pub fn location(&self) -> Option<Location> {
        let (source, diagnostics) = self.diagnostics()?;
        diagnostics.first().map(|diagnostic| source.location(diagnostic.span.start))
    }

    /// The crash bundle that was written.
    pub fn bundle(&self) -> Option<PathBuf> {
        match self {
            Error::Crashed { bundle, .. } => Some(bundle.clone()),
            _ => None,
        }
    }

    /// The places in the config file, and what to say at each.
    pub fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
        match self {
            Error::Config(config::Error::Invalid { source_file, diagnostics }) => {
                Some((source_file.clone(), diagnostics.clone()))
            }
            Error::Crashed { error, .. } => error.diagnostics(),
            Error::Spawn { place: Some(place), .. }
            | Error::QemuFailed { place: Some(place), .. } => {
                let mut diagnostic = Diagnostic::new(place.span.clone(), self.to_string());
                diagnostic.hint = self.hint();
                Some((place.source.clone(), vec![diagnostic]))
            }
            _ => None,
        }
    }
}

fn config_hint(error: &config::Error) -> Option<String> {
    match error {
        config::Error::NotFound { from, user_file } => {
            let users = user_file.as_ref().map(|path| format!(" or {}", path.display()));
            Some(format!(
                "write a qqmgr.toml in {} or a directory above it{}, or name one with -c",
                from.display(),
                users.unwrap_or_default()
            ))
        }
        config::Error::Invalid { diagnostics, .. } => diagnostics.first()?.hint.clone(),
        config::Error::NoSuchVm { nearest: Some(nearest), .. } => {
            Some(format!("did you mean `{nearest}`?"))
        }
        config::Error::NoSuchVm { known, .. } if known.is_empty() => {
            Some("the file describes no VM at all".into())
        }
        config::Error::NoSuchVm { known, .. } if known.len() <= 10 => {
            Some(format!("there are: {}", known.join(", ")))
        }
        config::Error::NoSuchVm { .. } => Some("`qqmgr list` shows all of them".into()),
        config::Error::CurrentDir(_) | config::Error::Unreadable { .. } => None,
    }
}

pub(crate) fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn user(pid: Option<u32>) -> String {
    pid.map_or("another program".to_owned(), |pid| format!("another qqmgr (pid {pid})"))
}

fn also_held(held: &str) -> String {
    if held.is_empty() { String::new() } else { format!("; {held} held") }
}

pub(crate) fn log_end(serial: &str) -> String {
    if serial.is_empty() { String::new() } else { format!("\nthe serial log ends:\n{serial}") }
}

/// How QMP failed to answer.
pub(crate) fn no_answer(waited: Duration, held: bool) -> String {
    let who = if held { ": another client holds the socket" } else { "" };
    format!("QMP did not answer within {}{who}", duration::format(waited))
}

#[cfg(test)]
mod tests {
    /// The texts in quotes in one function of this file.
    fn literals_in(function: &str) -> Vec<&'static str> {
        let source = include_str!("error.rs");
        let (_, body) = source.split_once(&format!("pub fn {function}(")).unwrap();
        let (body, _) = body.split_once("\n    }\n").unwrap();
        body.split('"').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_json_reference_lists_every_code() {
        let reference = include_str!("../docs/json.md");
        let (_, table) = reference.split_once("| code | exit code |").unwrap();
        let row = |line: &'static str| Some(line.strip_prefix("| `")?.split_once('`')?.0);
        let mut listed: Vec<_> = table.lines().filter_map(row).collect();
        let mut codes = literals_in("code");
        listed.sort_unstable();
        codes.sort_unstable();
        assert_eq!(listed, codes);
    }
}
