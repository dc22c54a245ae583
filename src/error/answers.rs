//! What follows from an error: its stable code, how to exit, what to do about it, and where.

use super::Error;
use crate::config::{self, Diagnostic, Location, Source};
use crate::console;
use crate::vm::Ended;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

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
            Error::Config(config::Error::Foreign { .. }) => "config_refused",
            Error::Config(config::Error::Invalid { .. }) => "config_invalid",
            Error::Config(config::Error::NoSuchVm { .. }) => "vm_not_found",
            Error::Usage { .. } => "usage",
            Error::NotRunning { .. } => "vm_not_running",
            Error::Orphaned { .. } => "runtime_dir_removed",
            Error::Elsewhere { .. } => "vm_elsewhere",
            Error::NeverStarted { .. } => "vm_never_started",
            Error::Console(console::Error::Held { .. }) => "console_held",
            Error::Console(console::Error::Taken { .. }) => "console_taken",
            Error::Console(console::Error::TimedOut { .. }) => "console_timeout",
            Error::UnknownCommand { .. } => "monitor_command_unknown",
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
            Error::Stopped { .. } => "vm_stopped",
            Error::PortTaken { .. } => "ssh_port_taken",
            Error::StartTimeout { .. } => "start_timeout",
            Error::QmpTimeout { held: true, .. } => "qmp_held",
            Error::QmpTimeout { .. } => "qmp_timeout",
            Error::Qmp { .. } => "qmp_failed",
            Error::Events { .. } => "events_failed",
            Error::EventsTimeout { .. } => "events_timeout",
            Error::WaitTimeout { .. } => "wait_timeout",
            Error::WaitFailed { .. } => "wait_failed",
            Error::Died { .. } => "vm_died",
            Error::NotCopied { .. } => "not_copied",
            Error::Panicked { .. } => "guest_panicked",
            Error::GuestReset { .. } => "guest_reset",
            Error::IoError { .. } => "guest_io_error",
            Error::ResetEnds { .. } => "reset_refused",
            Error::NotReset { .. } => "reset_timeout",
            Error::Crashed { error, .. } => error.code(),
            Error::Unkillable { .. } => "vm_unkillable",
        }
    }

    /// The exit code: 1 failed, 2 usage, 3 config, 4 no such VM or not in that state, 5 timed out.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Config(config::Error::NoSuchVm { .. })
            | Error::NotRunning { .. }
            | Error::Orphaned { .. }
            | Error::Elsewhere { .. }
            | Error::NeverStarted { .. }
            | Error::AlreadyRunning { .. }
            | Error::ResetEnds { .. }
            | Error::SshPortUnknown { .. } => 4,
            Error::Config(_) => 3,
            Error::Usage { .. } => 2,
            Error::Crashed { error, .. } => error.exit_code(),
            Error::Locked { .. }
            | Error::StartTimeout { .. }
            | Error::QmpTimeout { .. }
            | Error::EventsTimeout { .. }
            | Error::NotReset { .. }
            | Error::WaitTimeout { .. }
            | Error::Console(console::Error::TimedOut { .. })
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
            Error::NotRunning { vm, .. } | Error::NeverStarted { vm } => {
                Some(format!("start it: qqmgr start {vm}"))
            }
            Error::ResetEnds { vm, .. } => Some(format!("start it again: qqmgr restart {vm}")),
            Error::Elsewhere { vm } => {
                Some(format!("where it was started, it can be used, or stopped: qqmgr stop {vm}"))
            }
            Error::Orphaned { vm, .. } => {
                Some(format!("nothing else can be done with it: qqmgr stop {vm}"))
            }
            Error::Console(console::Error::Held { pid: Some(_), .. }) => {
                Some("--force takes it over".into())
            }
            Error::Console(console::Error::Held { port, .. }) => Some(format!(
                "QEMU serves one client at a time on {}; end the other one",
                port.socket()
            )),
            Error::AlreadyRunning { vm, .. } => Some(format!(
                "stop it: qqmgr stop {vm}; or debug its guest: qqmgr gdb --guest {vm}"
            )),
            Error::UnknownCommand { vm, .. } => {
                Some(format!("`qqmgr monitor {vm} help` lists them"))
            }
            Error::SshPortUnknown { vm } => {
                Some(format!("start it: qqmgr start {vm}; or give it a port of its own"))
            }
            Error::FileExists { .. } => Some("name another one with -c, or move it away".into()),
            Error::UnsafeDir { .. } => {
                Some("it has to be a real directory of your own; move this one away".into())
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
            Error::WaitTimeout { vm, .. } | Error::Panicked { vm, left: true, .. } => {
                Some(format!("the VM is left as it is: qqmgr status {vm}"))
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

    /// What the serial log has to say about it, and how to introduce that.
    pub fn excerpt(&self) -> Option<(&'static str, &str)> {
        let (title, excerpt) = match self {
            Error::Panicked { excerpt, .. } => ("the serial log says:", excerpt.as_str()),
            Error::GuestReset { excerpt, .. } => ("the serial log ends:", excerpt.as_str()),
            Error::WaitTimeout { excerpt, .. } => ("the serial log ends:", &**excerpt),
            Error::Crashed { error, .. } => return error.excerpt(),
            _ => return None,
        };
        (!excerpt.is_empty()).then_some((title, excerpt))
    }

    /// How the VM ended that it is about.
    pub fn ended(&self) -> Option<&Ended> {
        match self {
            Error::NotRunning { ended, .. } | Error::Died { ended, .. } => ended.as_deref(),
            Error::Crashed { error, .. } => error.ended(),
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
                "write a qqmgr.toml (`qqmgr init`) in {} or a directory above it{}, or name one with -c",
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
        config::Error::Foreign { path, .. } => {
            let path = path.display().to_string();
            let path = shlex::try_quote(&path).ok()?;
            Some(format!("if you trust it, name it: qqmgr -c {path}"))
        }
        config::Error::CurrentDir(_) | config::Error::Unreadable { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    /// The texts in quotes in one function of this file.
    fn literals_in(function: &str) -> Vec<&'static str> {
        let source = include_str!("answers.rs");
        let (_, body) = source.split_once(&format!("pub fn {function}(")).unwrap();
        let (body, _) = body.split_once("\n    }\n").unwrap();
        body.split('"').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_json_reference_lists_every_code() {
        let reference = include_str!("../../docs/json.md");
        let (_, table) = reference.split_once("| code | exit code |").unwrap();
        let row = |line: &'static str| Some(line.strip_prefix("| `")?.split_once('`')?.0);
        let mut listed: Vec<_> = table.lines().filter_map(row).collect();
        let mut codes = literals_in("code");
        listed.sort_unstable();
        codes.sort_unstable();
        assert_eq!(listed, codes);
    }
}
