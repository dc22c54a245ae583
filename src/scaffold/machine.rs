//! The machine that runs well on this host: its QEMU, and whether that comes up with KVM.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// With QEMU's own emulation behind it.
const KVM: &str = "accel=kvm:tcg";

/// QEMU comes up within a fraction of this, if it does.
const PATIENCE: Duration = Duration::from_secs(5);

/// The accelerator to write, and why.
pub fn accelerator(kvm_works: bool) -> (&'static str, &'static str) {
    match kvm_works {
        true => (KVM, "KVM, or where there is none QEMU's own emulation, which is slow."),
        false => {
            ("accel=tcg", "KVM does not work on this host; where it does, write accel=kvm:tcg.")
        }
    }
}

/// What runs well here.
pub struct Machine {
    pub bin: String,
    pub machine: &'static str,
    pub console: &'static str,
}

impl Machine {
    pub fn of_this_host() -> Machine {
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
    pub async fn kvm_works(&self) -> bool {
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
