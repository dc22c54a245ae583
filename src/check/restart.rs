//! Checks before a restart that the VM can be started again: otherwise the restart would only stop
//! the guest.

use super::ask::Qemus;
use super::finding::{Code, Finding, Severity};
use super::look;
use crate::config::{Config, Diagnostic, Instance, PortUse, Ports, Source, Vm};
use crate::error::{SystemError, faults, plain};
use crate::qemu_args::Arg;
use crate::ssh::Doubts;
use crate::vm::{self, Launch, Liveness};
use crate::{Error, Place};
use rustix::fs::Access;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A restart that would fail to start the VM, so the VM was not stopped.
#[derive(Debug, thiserror::Error)]
#[error("VM `{vm}` was not stopped, because it would not start again: {}", summary(findings))]
pub struct WouldFail {
    /// The VM.
    pub vm: String,
    /// Why a start would fail; never empty.
    pub findings: Vec<Finding>,
}

faults!(WouldFail {
    WouldFail { .. } => "start_would_fail", Failed;
}
fn hint(&self) -> Option<String> {
    self.findings.first()?.hint.clone()
}

fn diagnostics(&self) -> Option<(Arc<Source>, Vec<Diagnostic>)> {
    let places: Option<Vec<&Place>> = self.findings.iter().map(|it| it.place.as_ref()).collect();
    let places = places?;
    let source = places.first()?.source.clone();
    let told = self.findings.iter().zip(places).enumerate().map(|(at, (finding, place))| {
        let message = match at {
            0 => format!(
                "VM `{}` was not stopped, because it would not start again: {}",
                self.vm, finding.message
            ),
            _ => finding.message.clone(),
        };
        Diagnostic { message, hint: finding.hint.clone(), span: place.span.clone() }
    });
    Some((source, told.collect()))
});

fn summary(findings: &[Finding]) -> String {
    let messages: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
    messages.join("; ")
}

/// Checks a running VM against the current config, with the arguments `extra`, or else those that
/// were appended at its start. QEMU accepted its present arguments, so only new ones are checked
/// with QEMU.
///
/// # Errors
/// The config can't be resolved, or a start would fail.
pub async fn before_restart(
    config: &Config,
    instance: &Instance,
    extra: Option<&[String]>,
) -> Result<(), Error> {
    let Liveness::Running(running) = Liveness::of(instance)? else { return Ok(()) };
    let launch = Launch::read(&running.dir)?.unwrap_or_default();
    let mut vm = config.resolve(instance, &ports(config, instance, &launch)?)?;
    let extra = extra.unwrap_or(&launch.extra).iter();
    vm.args.extend(extra.map(|text| Arg { text: text.clone(), span: None }));
    let had = |arg: &Arg| launch.argv.contains(&arg.text);
    let is_new = launch.argv.first() != Some(&vm.bin) || !vm.args.iter().all(had);
    let qemus = Qemus::default();
    let mut findings = look(config, &vm, Doubts::default(), &qemus, is_new).await?.0;
    findings.retain(|finding| {
        let knows_better = || asked_args(&vm, finding).any(had);
        let is_certain = finding.severity() == Severity::Error && finding.code != Code::QemuNotRun;
        is_certain && !knows_better()
    });
    findings.extend(not_executable(config, &vm));
    match findings.is_empty() {
        true => Ok(()),
        false => Err(WouldFail { vm: instance.name.clone(), findings }.into()),
    }
}

/// The VM's ports after a restart: its present ones where the config says `auto`.
fn ports(config: &Config, instance: &Instance, launch: &Launch) -> Result<Ports, Error> {
    let wanted = config.wanted_ports(instance)?;
    let mut ports = vm::choose_ports(&wanted).map_err(|error| SystemError::Runtime { error })?;
    if wanted.is_auto(&PortUse::Ssh) {
        ports.ssh = launch.ssh_port;
    }
    for (name, port) in &launch.ports {
        if wanted.is_auto(&PortUse::Named(name.clone())) {
            ports.named.insert(name.clone(), *port);
        }
    }
    Ok(ports)
}

/// The arguments that a finding is about; none if it is about files or ports, which may have
/// changed since QEMU was started.
fn asked_args<'a>(vm: &'a Vm, finding: &Finding) -> impl Iterator<Item = &'a Arg> {
    let changes = [
        Code::FileMissing,
        Code::FileUnreadable,
        Code::ImageBroken,
        Code::ImageFormatWrong,
        Code::ImageLocked,
        Code::PortUnavailable,
    ];
    let place = finding.place.as_ref().filter(|_| !changes.contains(&finding.code));
    let start = place.map(|place| place.span.start);
    let is_there = move |arg: &&Arg| {
        arg.span.as_ref().zip(start).is_some_and(|(span, start)| span.contains(&start))
    };
    vm.args.iter().filter(is_there)
}

/// The error, if the binary does not exist or can't be executed. If it only does not answer, it may
/// be slow.
fn not_executable(config: &Config, vm: &Vm) -> Option<Finding> {
    let path = vm.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map(|(_, value)| value.into()).or_else(|| std::env::var_os("PATH"))?;
    // A path with a slash is not looked up in $PATH.
    let dirs: Vec<_> = match vm.bin.contains('/') {
        true => vec![PathBuf::new()],
        false => std::env::split_paths(&path).collect(),
    };
    let tried = dirs.iter().map(|dir| vm.config_dir.join(dir).join(&vm.bin));
    let results = tried.map(|path| rustix::fs::access(path, Access::EXEC_OK));
    let error = results.reduce(Result::or)?.err()?;
    let message = format!("can't run `{}`: {}", vm.bin, plain(io::Error::from(error)));
    let place = vm::place_of_bin(config, vm);
    let (vm, others) = (vm.instance.name.clone(), Vec::new());
    Some(Finding { vm, others, code: Code::QemuNotRun, message, hint: None, place })
}
