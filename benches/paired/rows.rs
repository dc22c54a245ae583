//! The measurements, row by row.

use super::measure::{Pairs, Run, Spread, run};
use super::scratch::{MANY, Running, Scratch, Site};
use super::table::{Measured, Row};
use super::{Result, bare};
use std::path::Path;
use std::process::Command;

/// How many of the many VMs are running.
const RUNNING: usize = 10;

/// `start` against QEMU's own way into the background, with the same arguments.
pub fn start(scratch: &Scratch, runs: u32) -> Result<Row> {
    let site = scratch.few();
    let words = site.bare_qemu("tiny")?;
    let (bin, args) = words.split_first().ok_or("an empty command line")?;
    let bare = || {
        let mut command = Command::new(bin);
        command.args(args).arg("-daemonize").current_dir(site.dir());
        and_end(&site, run(command)?)
    };
    let ours = || and_end(&site, run(site.qqmgr(&["start", "tiny"]))?);
    let what = "start / qemu-system-x86_64 -daemonize";
    Ok(Row { what, measured: Measured::Ratio(Pairs::take(runs, ours, bare)?), target: 1.1 })
}

fn and_end(site: &Site, run: Run) -> Result<Run> {
    site.end("tiny").map(|()| run)
}

/// `status` against a process that only does the same on QMP.
pub fn status(scratch: &Scratch, runs: u32) -> Result<[Row; 2]> {
    let site = scratch.few();
    let _running = site.start("tiny", &["--", "-S"])?;
    let socket = site.file("tiny", "qmp.socket");
    let ours = || run(site.qqmgr(&["status", "tiny"]));
    let pairs = Pairs::take(runs, ours, || run(bare::command(&socket)?))?;
    let time = Measured::Time(pairs.ours());
    let ratio = Measured::Ratio(pairs);
    Ok([
        Row { what: "status / bare query-status", measured: ratio, target: 3.0 },
        Row { what: "status", measured: time, target: 2.5 },
    ])
}

/// `ssh` against OpenSSH with the same config, both on an open connection.
pub fn ssh(scratch: &Scratch, runs: u32) -> Result<Row> {
    let site = scratch.few();
    let _running = guest(&site)?;
    let config = site.file("guest", "ssh.conf");
    let ours = || run(site.qqmgr(&["ssh", "guest", "true"]));
    let bare = || {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(&config).args(["guest", "true"]);
        run(command)
    };
    let pairs = Pairs::take(runs, ours, bare)?;
    Ok(Row { what: "ssh VM true / bare ssh", measured: Measured::Ratio(pairs), target: 1.1 })
}

fn guest(site: &Site) -> Result<Running> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/guest/initrd.img");
    match std::path::Path::new(path).exists() {
        true => site.start("guest", &["--wait"]),
        false => Err("there is no guest to log in to: run `make guest` first".into()),
    }
}

/// `list` of many VMs, some of which are running.
pub fn list(scratch: &Scratch, runs: u32) -> Result<Row> {
    let site = scratch.many();
    let _running = some_of_many(&site)?;
    let mut seconds = Vec::new();
    run(site.qqmgr(&["list"]))?;
    for _ in 0..runs {
        seconds.push(run(site.qqmgr(&["list"]))?.wall.as_secs_f64());
    }
    let measured = Measured::Time(Spread::of(seconds));
    Ok(Row { what: "list of 1,000, 10 running", measured, target: 20.0 })
}

fn some_of_many(site: &Site) -> Result<Vec<Running>> {
    let every = MANY / RUNNING;
    (0..MANY).step_by(every).map(|index| site.start(&format!("vm-{index}"), &[])).collect()
}

/// The peak memory of `start`, `status` and `list`.
pub fn memory(scratch: &Scratch) -> Result<[Row; 3]> {
    let (few, many) = (scratch.few(), scratch.many());
    let row = |what, run: Run, target| Row { what, measured: Measured::Bytes(run.peak), target };
    let start = run(few.qqmgr(&["start", "tiny", "--", "-S"]))?;
    let status = run(few.qqmgr(&["status", "tiny"]))?;
    few.end("tiny")?;
    let _running = some_of_many(&many)?;
    let list = run(many.qqmgr(&["list"]))?;
    Ok([
        row("peak memory of start", start, 8.0),
        row("peak memory of status", status, 8.0),
        row("peak memory of list of 1,000", list, 12.0),
    ])
}

/// The size of the installed binary.
pub fn size(qqmgr: &Path) -> Result<Row> {
    let bytes = std::fs::metadata(qqmgr)?.len();
    Ok(Row { what: "size of the stripped binary", measured: Measured::Bytes(bytes), target: 6.0 })
}
