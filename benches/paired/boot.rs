//! Boots of the real guest: how soon `wait --for ssh` notices that a login works, and what `run`
//! adds to the same steps by hand.

use super::measure::{Pairs, Run, run};
use super::scratch::{Scratch, Site};
use super::table::{Measured, Row};
use super::{Result, interrupt};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The first login that works: `wait` against ssh in a loop without a pause. Each has its own boot,
/// and its time begins when `start` has returned.
pub fn wait(scratch: &Scratch, runs: u32) -> Result<Row> {
    let site = scratch.few();
    let ours = || {
        let _running = site.start("guest", &[])?;
        run(site.qqmgr(&["wait", "guest", "--for", "ssh"]))
    };
    let bare = || {
        let _running = site.start("guest", &[])?;
        let started = Instant::now();
        log_in(&site, site.ssh_port("guest")?)?;
        Ok(Run { wall: started.elapsed(), peak: 0 })
    };
    let pairs = Pairs::take(runs, ours, bare)?;
    Ok(Row { what: "wait --for ssh - bare ssh", measured: Measured::Added(pairs), target: 150.0 })
}

/// `run` against QEMU with the same arguments, the first login that works, and a kill.
pub fn run_true(scratch: &Scratch, runs: u32) -> Result<Row> {
    let site = scratch.few();
    let ours = || run(site.qqmgr(&["run", "guest", "--", "true"]));
    let pairs = Pairs::take(runs, ours, || by_hand(&site))?;
    let what = "run VM -- true / QEMU, ssh, kill";
    Ok(Row { what, measured: Measured::Ratio(pairs), target: 1.05 })
}

fn by_hand(site: &Site) -> Result<Run> {
    let words = site.bare_qemu("guest")?;
    std::fs::create_dir_all(site.file("guest", ""))?;
    let port = words.iter().find_map(|word| word.split_once("hostfwd=tcp:127.0.0.1:"));
    let port = port.and_then(|(_, rest)| rest.split('-').next()?.parse().ok());
    let (bin, args) = words.split_first().ok_or("an empty command line")?;
    let mut command = Command::new(bin);
    command.args(args).arg("-snapshot").current_dir(site.dir()).stdin(Stdio::null());
    let started = Instant::now();
    let mut qemu = Killed(command.stdout(Stdio::null()).spawn()?);
    log_in(site, port.ok_or("no port is forwarded to the guest")?)?;
    qemu.0.kill()?;
    qemu.0.wait()?;
    Ok(Run { wall: started.elapsed(), peak: 0 })
}

/// A process that is killed when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only if the process was already waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs ssh again and again until a login works.
fn log_in(site: &Site, port: u16) -> Result<()> {
    let mut command = Command::new("ssh");
    command.args(["-F", "none", "-i"]).arg(site.key()).args(["-p", &port.to_string()]);
    for option in [
        "ConnectTimeout=1",
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
    ] {
        command.args(["-o", option]);
    }
    command.args(["root@127.0.0.1", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
    loop {
        let status = command.status()?;
        interrupt::check()?;
        if status.success() {
            return Ok(());
        }
        if let Some(signal) = status.signal() {
            return Err(format!("ssh was ended by signal {signal}").into());
        }
    }
}
