//! Chooses the machine for this host: the QEMU binary, and KVM if QEMU comes up with it.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// KVM, with a fallback to QEMU's own emulation.
const KVM: &str = "accel=kvm:tcg";

/// How long QEMU may take; if it comes up at all, it needs only a fraction of this.
const PATIENCE: Duration = Duration::from_secs(5);

/// The accelerator to write, and why.
pub fn accelerator(kvm_works: bool) -> (&'static str, &'static str) {
    match kvm_works {
        true => (KVM, "KVM, or QEMU's own emulation (slow) where there is no KVM."),
        false => ("accel=tcg", "KVM does not work on this host; elsewhere, use accel=kvm:tcg."),
    }
}

/// The machine for this host.
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

    /// Whether QEMU comes up with KVM, or with the fallback. If KVM exists but is broken, as in
    /// some virtual machines, QEMU does neither.
    pub async fn kvm_works(&self) -> bool {
        let mut command = tokio::process::Command::new(&self.bin);
        let machine = format!("{},{KVM}", self.machine);
        command.args(["-nodefaults", "-S", "-display", "none", "-m", "64", "-monitor", "stdio"]);
        command.args(["-machine", &machine, "-cpu", "max"]).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // If QEMU is not installed yet, KVM is assumed to work.
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
