//! A config file to start from.

use crate::{Error, config, host};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use crate::config::FILE_NAME;

/// Writes a config file with one VM where there is none yet, in a directory that is made if it is
/// missing, and tells its absolute path.
///
/// # Errors
/// The name can't be a VM's, the file is there already or can't be written.
pub fn write(path: &Path, vm: &str) -> Result<PathBuf, Error> {
    if !config::is_vm_name(vm) {
        let message = format!("`{vm}` can't be a VM's name");
        return Err(Error::Usage { message, hint: Some(config::NAME_RULE.to_owned()) });
    }
    if let Some(dir) = path.parent() {
        let failed = |error| Error::File { action: "make", path: dir.to_owned(), error };
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let write = || -> io::Result<PathBuf> {
        let mut file = File::create_new(path)?;
        file.write_all(text(vm, &Machine::of_this_host()).as_bytes())?;
        path.canonicalize()
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::FileExists { path: path.to_owned() },
        _ => Error::File { action: "write", path: path.to_owned(), error },
    })
}

/// What runs well here.
struct Machine {
    bin: String,
    machine: &'static str,
    accel: &'static str,
    cpu: &'static str,
    console: &'static str,
}

impl Machine {
    fn of_this_host() -> Machine {
        let arch = std::env::consts::ARCH;
        let (machine, console) = match arch {
            "x86_64" | "x86" => ("q35", "ttyS0"),
            "aarch64" | "arm" => ("virt", "ttyAMA0"),
            _ => ("virt", "ttyS0"),
        };
        let arch = if arch == "x86" { "i386" } else { arch };
        let (accel, cpu) = if host::open_kvm().is_ok() { ("kvm", "host") } else { ("tcg", "max") };
        Machine { bin: format!("qemu-system-{arch}"), machine, accel, cpu, console }
    }
}

fn text(vm: &str, host: &Machine) -> String {
    let Machine { bin, machine, accel, cpu, console } = host;
    // A name with a dot in it would be two keys.
    let key = if vm.contains('.') { format!("\"{vm}\"") } else { vm.to_owned() };
    format!(
        r#"# VMs for qqmgr: `qqmgr check` looks at them, `qqmgr start {vm}` starts this one.

[qemu]
bin = "{bin}"

# Variables for `cmd`, `env` and the ssh options: {{{{.disk}}}} and so on. Built in are
# {{{{.config_dir}}}}, {{{{.env.HOME}}}}, {{{{.vm.name}}}}, {{{{.vm.dir}}}} and {{{{.vm.ssh.port}}}}.
[vars]
disk = "{{{{.config_dir}}}}/{vm}.qcow2"
kernel = "{{{{.config_dir}}}}/bzImage"

# OpenSSH's options for every VM, as in ~/.ssh/config.
[ssh]
User = "root"
# IdentityFile = "{{{{.env.HOME}}}}/.ssh/id_ed25519"

[vm.{key}]
# QEMU's own options, split into words as by a shell. qqmgr adds the pidfile, the monitor, QMP and
# a serial port.
cmd = [
    "-nodefaults -machine {machine},accel={accel} -cpu {cpu} -smp 2 -m 1G",
    "-display none",
    # SSH from this host alone; more ports by more `hostfwd`.
    "-netdev user,id=net0,hostfwd=tcp:127.0.0.1:{{{{.vm.ssh.port}}}}-:{{{{.vm.ssh.vm_port}}}}",
    "-device virtio-net-pci,netdev=net0",
    # A disk: qemu-img create -f qcow2 {vm}.qcow2 20G, or an image of your distribution's.
    # "-drive file={{{{.disk}}}},format=qcow2,if=virtio",
    # A kernel of your own:
    # "-kernel {{{{.kernel}}}} -append 'console={console} root=/dev/vda1'",
]

[vm.{key}.ssh]
port = "auto"  # a free one, picked at each start; or a number
vm_port = 22
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Port, Source};
    use std::sync::Arc;

    #[test]
    fn what_is_written_can_be_read() {
        for vm in ["vm", "a.b-c"] {
            let text = text(vm, &Machine::of_this_host());
            let source = Arc::new(Source { path: "/c/qqmgr.toml".into(), text });
            let file = config::File::parse(source).unwrap();
            assert_eq!(file.vms[0].name, vm);
            assert_eq!(file.vms[0].ssh.port, Port::Auto);
        }
    }
}
