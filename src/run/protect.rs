//! What has to be true of a definition for a throwaway instance of it: the guest can't write to
//! its images, and it can be reached beside the VM itself.

use crate::Error;
use crate::config::{Arg, Config, Diagnostic, Instance, Vm};
use crate::vm::forwards;

/// A port for a config that is only looked at.
const ANY_PORT: u16 = 1;

/// Looks at a definition before anything is run.
///
/// # Errors
/// The lines that are in the way.
pub fn check(config: &Config, instance: &Instance) -> Result<(), Error> {
    let vm = config.resolve(instance, ANY_PORT)?;
    let mut diagnostics: Vec<_> = vm.args.windows(2).filter_map(unprotected).collect();
    if !has_own_port(&vm) {
        let span = config.file.vm(&instance.definition).map(|definition| definition.span.clone());
        let message = format!("`run` can't reach an instance of VM `{}`", instance.definition);
        let hint = "forward the port that each instance gets: \
                    hostfwd=tcp:127.0.0.1:{{.vm.ssh.port}}-:22";
        diagnostics.push(Diagnostic::new(span.unwrap_or_default(), message).hint(hint));
    }
    if diagnostics.is_empty() { Ok(()) } else { Err(config.invalid(diagnostics).into()) }
}

/// An option whose image `-snapshot` leaves open to the guest (QEMU manual, "Disk image file
/// options").
fn unprotected(pair: &[Arg]) -> Option<Diagnostic> {
    let [option, value] = pair else {
        return None;
    };
    let text = value.text.replace([' ', '"', '{', '}'], "").replace(':', "=");
    let has = |property: &str| text.split(',').any(|part| part == property);
    let open = match option.text.trim_start_matches('-') {
        "blockdev" => {
            let is_file = text.split(',').any(|part| part.contains("filename="));
            is_file && !has("read-only=on") && !has("read-only=true")
        }
        "drive" => has("snapshot=off") && !has("readonly=on") && !has("read-only=on"),
        _ => false,
    };
    let span = value.span.clone().unwrap_or_default();
    let message = "`run` can't keep the guest from writing to this image";
    let hint = "-snapshot protects what -drive names; or make the image read-only";
    open.then(|| Diagnostic::new(span, message).hint(hint))
}

fn has_own_port(vm: &Vm) -> bool {
    let is_host = |(keyword, _): &(String, _)| keyword.eq_ignore_ascii_case("hostname");
    let rules = forwards(vm.args.iter().map(|arg| arg.text.as_str()));
    rules.iter().any(|rule| rule.host_port == ANY_PORT) || vm.ssh.options.iter().any(is_host)
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
        assert!(is_open("-blockdev", "driver=file,filename=/x,node-name=a"));
        assert!(is_open(
            "-blockdev",
            r#"{"driver": "qcow2", "file": {"driver": "file", "filename": "/x"}}"#
        ));
        assert!(!is_open(
            "-blockdev",
            r#"{"driver": "raw", "read-only": true, "file": {"filename": "/x"}}"#
        ));
        assert!(!is_open("-blockdev", "driver=null-co,node-name=a"));
        assert!(!is_open("-drive", "file=/x,if=virtio"));
        assert!(is_open("-drive", "file=/x,snapshot=off"));
        assert!(!is_open("-device", "virtio-blk-pci,drive=a"));
    }
}
