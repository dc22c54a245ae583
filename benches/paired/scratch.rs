//! The measured VMs, in their own directory. The VMs and the directory are removed when the bench
//! ends.

use super::{Result, interrupt};
use qqmgr::vm::Process;
use rustix::process::{Signal, WaitOptions};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How many VMs the config of many VMs has.
pub const MANY: usize = 1000;

/// A directory with two configs: one of few VMs, one of [`MANY`].
pub struct Scratch {
    dir: TempDir,
    qqmgr: PathBuf,
}

/// A config file and its VMs.
pub struct Site {
    qqmgr: PathBuf,
    dir: PathBuf,
    runtime: PathBuf,
}

impl Scratch {
    pub fn new(qqmgr: PathBuf) -> Result<Scratch> {
        let dir = tempfile::Builder::new().prefix("qqmgr-bench.").tempdir()?;
        let scratch = Scratch { dir, qqmgr };
        for (site, config) in [(scratch.few(), few()), (scratch.many(), many())] {
            std::fs::create_dir(&site.dir)?;
            std::fs::write(site.dir.join("qqmgr.toml"), config)?;
        }
        Ok(scratch)
    }

    /// The VMs `tiny`, which has no guest, and `guest`, which has a real one.
    pub fn few(&self) -> Site {
        self.site("few")
    }

    /// The VMs `vm-0` to `vm-999`.
    pub fn many(&self) -> Site {
        self.site("many")
    }

    fn site(&self, name: &str) -> Site {
        let (qqmgr, runtime) = (self.qqmgr.clone(), self.dir.path().to_owned());
        Site { qqmgr, dir: self.dir.path().join(name), runtime }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for site in [self.few(), self.many()] {
            let vms = std::fs::read_dir(site.dir.join(".qqmgr")).into_iter().flatten().flatten();
            for vm in vms.filter(|entry| entry.path().is_dir()) {
                if let Err(error) = end(&vm.path(), Signal::KILL) {
                    eprintln!("bench: {} may still run: {error}", vm.path().display());
                }
            }
        }
    }
}

impl Site {
    /// qqmgr itself, on this config.
    pub fn qqmgr(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.qqmgr);
        command.current_dir(&self.dir).env("XDG_RUNTIME_DIR", &self.runtime).args(args);
        command.env_remove("QQMGR_CONFIG");
        command
    }

    /// The command line that `qqmgr start` would execute for a VM.
    pub fn bare_qemu(&self, vm: &str) -> Result<Vec<String>> {
        let output = self.qqmgr(&["start", vm, "--dry-run", "--json"]).output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// A file of a VM.
    pub fn file(&self, vm: &str, name: &str) -> PathBuf {
        self.dir.join(format!(".qqmgr/vm.{vm}/{name}"))
    }

    /// The port on the host that leads to a running VM's SSH server.
    pub fn ssh_port(&self, vm: &str) -> Result<u16> {
        let output = self.qqmgr(&["--json", "status", vm]).output()?;
        let status: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let port = status["ssh"]["port"].as_u64().ok_or("a VM that runs has no port")?;
        Ok(port.try_into()?)
    }

    /// The key that the guest accepts.
    pub fn key(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/guest/id_ed25519")
    }

    /// The config's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a VM, which ends when the result is dropped.
    pub fn start(&self, vm: &str, args: &[&str]) -> Result<Running> {
        let output = self.qqmgr(&["start", vm]).args(args).output()?;
        interrupt::check()?;
        match output.status.success() {
            true => Ok(Running { dir: self.file(vm, "") }),
            false => Err(String::from_utf8_lossy(&output.stderr).into()),
        }
    }

    /// Ends a VM, no matter what started it, and waits until it has ended.
    pub fn end(&self, vm: &str) -> Result<()> {
        end(&self.file(vm, ""), Signal::TERM)
    }
}

/// A running VM.
pub struct Running {
    dir: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = end(&self.dir, Signal::KILL) {
            eprintln!("bench: {} may still run: {error}", self.dir.display());
        }
    }
}

/// Sends `signal` to the QEMU whose files are in `dir`, and waits until it has ended.
fn end(dir: &Path, signal: Signal) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    for file in ["pid", "launch.json"] {
        if let Some(process) = Process::holding(&dir.join(file))? {
            process.signal(signal)?;
            runtime.block_on(process.ended())?;
            // This also reaps the processes that `-daemonize` forked; no other child is running.
            while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        }
    }
    Ok(())
}

fn few() -> String {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/guest");
    format!(
        r#"
[vars]
guest = '{guest}'

[vm.tiny]
cmd = ["-nodefaults -machine q35,accel=tcg -m 64 -display none"]

[vm.tiny.ssh]
port = "auto"

[vm.guest]
cmd = [
    "-nodefaults -machine q35,accel=tcg -m 256 -display none",
    "-kernel {{{{.guest}}}}/vmlinuz -initrd {{{{.guest}}}}/initrd.img -append 'console=ttyS0 quiet'",
    "-netdev user,id=n0,hostfwd=tcp:127.0.0.1:{{{{.vm.ssh.port}}}}-:{{{{.vm.ssh.vm_port}}}}",
    "-device virtio-net-pci,netdev=n0",
]

[vm.guest.ssh]
port = "auto"
User = "root"
IdentityFile = "{{{{.guest}}}}/id_ed25519"
"#,
        guest = guest.display()
    )
}

fn many() -> String {
    let mut text = "[vars]\nmachine = '-nodefaults -machine q35,accel=tcg'\n".to_owned();
    for index in 0..MANY {
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            r#"
[vm.vm-{index}]
cmd = [
    "{{{{.machine}}}} -display none -m {{{{.vm.memory}}}}",
    "-name {{{{.vm.name}}}} -S",
    "-netdev user,id=net0",
    "-device virtio-net-pci,netdev=net0",
]

[vm.vm-{index}.vars]
memory = 32

[vm.vm-{index}.ssh]
port = {port}
User = "root"
ServerAliveInterval = 60"#,
            port = 20_000 + index
        );
    }
    text
}
