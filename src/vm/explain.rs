//! Why QEMU did not come up: its own words, and the config's line that they are about.

use super::argv::CommandLine;
use super::dir::VmDir;
use super::error::VmError;
use super::files;
use super::port;
use crate::config::{Config, PortUse, Vm};
use crate::qemu_args::culprit::{culprit, refused_port, valueless};
use crate::text::sanitize::harmless;
use crate::{Error, Place};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How much of QEMU's last words an error repeats, in bytes.
const LAST_WORDS: u64 = 2048;

/// The error for a QEMU that ended before it answered.
pub fn qemu_failed(
    config: &Config,
    vm: &Vm,
    dir: &VmDir,
    line: &CommandLine,
    status: ExitStatus,
) -> Error {
    let mut stderr = last_words(dir);
    let name = vm.instance.name.clone();
    let valueless = valueless(&line.args, &stderr);
    let place = valueless
        .and_then(|arg| arg.span.as_ref())
        .or_else(|| culprit(&line.args, &stderr))
        .map(|span| Place { source: config.file.source.clone(), span: span.clone() });
    if let Some(option) = valueless {
        stderr.push_str(&format!("\n`{}`, the last word of `cmd`, needs a value", option.text));
    }
    if let Some((port, owner)) = taken_port(config, vm, &stderr) {
        let port_use = vm.ports().use_of(port);
        let place = place.filter(|_| port_use == PortUse::Other);
        return Error::from(VmError::PortTaken { vm: name, port_use, port, owner, place });
    }
    let no_socket = format!("socket {}", dir.file("").display());
    let (is_socket, vm) = (stderr.contains(&no_socket), name.clone());
    let error =
        Error::from(VmError::QemuFailed { vm: name, status: describe(status), stderr, place });
    if is_socket { VmError::RuntimeDir { vm, error }.into() } else { error }
}

/// The port of the host that QEMU could not listen on, and the process that does.
fn taken_port(config: &Config, vm: &Vm, stderr: &str) -> Option<(u16, String)> {
    let owner = |port: u16| Some((port, port::owner(port)?.to_string()));
    if let Some(port) = refused_port(stderr) {
        let is_auto = || {
            config.wanted_ports(&vm.instance).ok()?.is_auto(&vm.ports().use_of(port)).then_some(())
        };
        // The process that took a picked port may be gone by now.
        return owner(port).or_else(|| is_auto().map(|()| (port, "another process".to_owned())));
    }
    // For other sockets QEMU's message names no port.
    let is_one = stderr.contains("Address already in use");
    vm.ports.values().filter(|_| is_one).find_map(|port| owner(*port))
}

/// The config's line for the VM's QEMU binary, if it has one.
pub fn place_of_bin(config: &Config, vm: &Vm) -> Option<Place> {
    let definition = config.file.vm(&vm.instance.definition);
    let own = definition.and_then(|definition| definition.bin.as_ref());
    let span = own.unwrap_or(&config.file.qemu.bin).span.clone();
    (!span.is_empty()).then(|| Place { source: config.file.source.clone(), span })
}

/// The end of QEMU's stderr, sanitised for a terminal.
pub fn last_words(dir: &VmDir) -> String {
    end_of(dir, files::STDERR, LAST_WORDS)
}

/// The end of one of the VM's logs, at most `most` bytes, sanitised for a terminal.
pub fn end_of(dir: &VmDir, log: &str, most: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(dir.file(log))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    harmless(&read().unwrap_or_default())
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
