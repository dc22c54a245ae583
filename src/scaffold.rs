//! A config file to start from.

use crate::error::{Usage, cant, faults};
use crate::{Error, config};
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

pub use crate::config::FILE_NAME;

/// A file that exists and must not be overwritten.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} already exists")]
pub struct FileExists {
    /// The file.
    pub path: PathBuf,
}

faults!(FileExists {
    FileExists { .. } => "file_exists", Failed;
}
fn hint(&self) -> Option<String> {
    Some("name another one with -c, or move it away".into())
});

/// With QEMU's own emulation behind it.
const KVM: &str = "accel=kvm:tcg";

/// QEMU comes up within a fraction of this, if it does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes a config file with one VM where there is none yet, in a directory that is made if it is
/// missing, and tells its absolute path.
///
/// # Errors
/// The name can't be a VM's, the file is there already or can't be written.
pub async fn write(path: &Path, vm: &str) -> Result<PathBuf, Error> {
    if !config::is_vm_name(vm) {
        let message = format!("`{vm}` can't be a VM's name");
        return Err(Usage { message, hint: Some(config::NAME_RULE.to_owned()) }.into());
    }
    let host = Machine::of_this_host();
    let works = host.kvm_works().await;
    if let Some(dir) = path.parent() {
        let failed = cant("make", dir);
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let write = || -> io::Result<PathBuf> {
        // In its place when it is whole: half of one, on a full disk, would be in the way.
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let mode = Permissions::from_mode(0o666);
        let mut file = tempfile::Builder::new()
            .prefix(".qqmgr")
            .permissions(mode)
            .tempfile_in(dir.unwrap_or(Path::new(".")))?;
        file.as_file_mut().write_all(text(vm, &host, works).as_bytes())?;
        file.persist_noclobber(path)?;
        path.canonicalize()
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::from(FileExists { path: path.to_owned() }),
        _ => cant("write", path)(error),
    })
}

/// What runs well here.
struct Machine {
    bin: String,
    machine: &'static str,
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
        Machine { bin: format!("qemu-system-{arch}"), machine, console }
    }

    /// Whether QEMU comes up with KVM or falls back: where KVM is there but broken, as inside of
    /// some virtual machines, it does neither.
    async fn kvm_works(&self) -> bool {
        let mut command = tokio::process::Command::new(&self.bin);
        let machine = format!("{},{KVM}", self.machine);
        command.args(["-nodefaults", "-S", "-display", "none", "-m", "64", "-monitor", "stdio"]);
        command.args(["-machine", &machine, "-cpu", "max"]).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Without QEMU, nothing speaks against it.
        let Ok(mut qemu) = command.spawn() else { return true };
        let quit = async {
            let mut monitor = qemu.stdin.take()?;
            monitor.write_all(b"quit\n").await.ok()?;
            qemu.wait().await.ok()
        };
        let ended = tokio::time::timeout(PATIENCE, quit).await;
        ended.ok().flatten().is_some_and(|status| status.success())
    }
}

fn text(vm: &str, host: &Machine, kvm_works: bool) -> String {
    let (accel, why) = match kvm_works {
        true => (KVM, "KVM, or where there is none QEMU's own emulation, which is slow."),
        false => {
            ("accel=tcg", "KVM does not work on this host; where it does, write accel=kvm:tcg.")
        }
    };
    let Machine { bin, machine, console } = host;
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
    # {why}
    "-nodefaults -machine {machine},{accel} -cpu max -smp 2 -m 1G",
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
            let text = text(vm, &Machine::of_this_host(), true);
            let source = Arc::new(Source { path: "/c/qqmgr.toml".into(), text });
            let file = config::parse(source).unwrap();
            assert_eq!(file.vms[0].name, vm);
            assert_eq!(file.vms[0].ssh.port, Port::Auto);
        }
    }
}
