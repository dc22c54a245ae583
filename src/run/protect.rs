//! Checks that a definition suits throwaway instances: the guest can't write to its images, and SSH
//! can reach it while the VM itself is running.

use crate::Error;
use crate::config::{Config, Diagnostic, Instance, Port, Vm};
use crate::qemu_args::{Arg, Properties, forwards, option_name};
use std::convert::Infallible;

/// The port for SSH in a config that is only checked.
const ANY_PORT: u16 = 1;

/// Checks a definition before anything runs, and returns the port by which SSH reaches an instance:
/// its own, or if SSH reaches the guest at another address, the definition's.
///
/// # Errors
/// The lines that prevent a throwaway instance.
pub fn check(config: &Config, instance: &Instance) -> Result<Port, Error> {
    let wanted = config.wanted_ports(instance)?;
    let mut next = ANY_PORT - 1;
    let Ok(ports) = wanted.choose(|| {
        next += 1;
        Ok::<_, Infallible>(next)
    });
    let vm = config.resolve(instance, &ports)?;
    let mut diagnostics: Vec<_> = vm.args.windows(2).filter_map(unprotected).collect();
    let definition = config.file.vm(&instance.definition);
    let port = match has_own_port(&vm) {
        true => instance.port,
        false => definition.map_or(instance.port, |definition| definition.ssh.port),
    };
    if !has_own_port(&vm) && !vm.ssh.leads_elsewhere() {
        let span = definition.map(|definition| definition.span.clone());
        let message = format!("`run` can't reach an instance of VM `{}`", instance.definition);
        let hint = "forward the port that each instance gets: \
                    hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22";
        diagnostics.push(Diagnostic::new(span.unwrap_or_default(), message).hint(hint));
    }
    if diagnostics.is_empty() { Ok(port) } else { Err(config.invalid(diagnostics).into()) }
}

/// An option whose image the guest can write even with `-snapshot` (QEMU manual, "Disk image file
/// options"): `-snapshot` only affects a `-drive` without `snapshot` of its own.
fn unprotected(pair: &[Arg]) -> Option<Diagnostic> {
    let [option, value] = pair else {
        return None;
    };
    let properties = Properties::parse(&value.text);
    let is_off = |key: &str| properties.get(key).is_some() && !properties.is_on(key);
    let begins_with = |switch: &str| properties.get("") == Some(switch);
    let is_read_only = properties.is_on("read-only") || properties.is_on("readonly");
    let open = match option_name(&option.text)? {
        "blockdev" => {
            // The `null-co` and `null-aio` drivers have no image.
            let has_image = !properties.get("driver").is_some_and(|name| name.starts_with("null-"));
            has_image && !is_read_only
        }
        "drive" => (is_off("snapshot") || begins_with("nosnapshot")) && !is_read_only,
        "set" => properties.0.iter().any(|(key, _)| is_snapshot_of_drive(key) && is_off(key)),
        _ => false,
    };
    let span = value.span.clone().unwrap_or_default();
    let message = "`run` can't keep the guest from writing to this image";
    let hint = "name it with -drive, which -snapshot protects, or make it read-only";
    open.then(|| Diagnostic::new(span, message).hint(hint))
}

/// Whether `-set` names `drive.ID.snapshot`.
fn is_snapshot_of_drive(key: &str) -> bool {
    key.starts_with("drive.") && key.ends_with(".snapshot")
}

fn has_own_port(vm: &Vm) -> bool {
    let rules = forwards(vm.args.iter().map(|arg| arg.text.as_str()));
    rules.iter().any(|rule| rule.host_port == ANY_PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(option: &str, value: &str) -> bool {
        let arg = |text: &str| Arg { text: text.to_owned(), span: None };
        unprotected(&[arg(option), arg(value)]).is_some()
    }

    #[test]
    fn finds_images_that_snapshot_leaves_open() {
        for (option, value) in [
            ("-blockdev", "driver=file,filename=/x,node-name=a"),
            ("-blockdev", "driver=nbd,server.type=unix,server.path=/x"),
            ("-blockdev", "driver=file,filename=/x,read-only=off"),
            ("-blockdev", r#"{"driver": "qcow2", "file": {"driver": "file", "filename": "/x"}}"#),
            ("-blockdev", r#"{"driver": "qcow2", "file": "f", "backing": {"read-only": true}}"#),
            ("--blockdev", "{not JSON"),
            ("-drive", "file=/x,snapshot=off"),
            ("-drive", "file=/x,snapshot=no"),
            ("-drive", "file=/x,nosnapshot"),
            ("-drive", "nosnapshot,file=/x"),
            ("-set", "drive.d.snapshot=off"),
        ] {
            assert!(is_open(option, value), "{option} {value}");
        }
        for (option, value) in [
            ("-blockdev", r#"{"driver": "raw", "read-only": true, "file": {"filename": "/x"}}"#),
            ("-blockdev", "driver=raw,read-only=yes,file=f"),
            ("-blockdev", "driver=null-co,node-name=a"),
            ("-drive", "file=/x,if=virtio"),
            ("-drive", "file=/x,snapshot=on"),
            ("-drive", "file=/x,snapshot=off,readonly=on"),
            ("-set", "drive.d.snapshot=on"),
            ("-device", "virtio-blk-pci,drive=a"),
        ] {
            assert!(!is_open(option, value), "{option} {value}");
        }
    }
}
