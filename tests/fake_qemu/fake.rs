//! fake-qemu: qqmgr runs it in place of QEMU, for faults that QEMU won't produce on demand.
//!
//! It takes a real command line, and understands `-pidfile`, `-qmp unix:`, `-monitor unix:`,
//! `-chardev socket` and `-chardev pipe`, a QMP monitor that reads commands from a FIFO and writes
//! events to a file. Without a script it has no faults: it holds the lock on its pidfile, serves
//! QMP to one client at a time, ends on `system_powerdown`, `quit` and SIGTERM with code 0, and
//! removes pidfile and sockets.
//!
//! `FAKE_QEMU` is the script: switches, separated by commas. At startup:
//!
//! - `exit-early=CODE`: complains about a device as QEMU does, and exits before anything else
//! - `slow-pidfile=MILLIS`, `slow-socket=MILLIS`: waits before creating the pidfile or the sockets
//! - `no-log`: opens no pipe, so that no event is logged
//! - `die-after-bind`: exits with 1 before the greeting, and leaves pidfile and sockets behind
//!
//! In QMP:
//!
//! - `mute`: listens, but never accepts a client
//! - `storm=COUNT`: the command `x-storm` writes that many events into the log
//! - `late=MILLIS`: the greeting and each reply come this late
//! - `pieces`: writes one byte at a time
//! - `garbage`, `megabytes`: sends lines that are not JSON, or 64 MiB without a line feed,
//!   instead of the greeting
//! - `flood`: sends endless events instead of any reply after the negotiation
//! - `ignore-powerdown`, `ignore-quit`, `ignore-term` (SIGTERM): accepts, but does nothing
//! - `refuse-on=COMMAND`: the reply to COMMAND is an error
//! - `mute-on=COMMAND`, `garbage-on=`, `megabytes-on=`, `flood-on=`: the same instead of the
//!   reply to COMMAND, which then has no effect
//! - `die-on=COMMAND`, `half-line-on=COMMAND`: kills itself with SIGKILL when COMMAND arrives,
//!   after nothing or half of the reply
//!
//! COMMAND may be `greeting`: `mute-on=greeting` accepts a client and sends it nothing.
//!
//! With a wrong script it exits with code 2. After `FAKE_QEMU_LIFETIME` seconds (120) it exits with
//! 3, so that no test leaves it running.

mod argv;
mod log;
mod qmp;
mod script;

use std::env;
use std::fs::{self, File, OpenOptions};
use std::future;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{ExitCode, exit};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, fcntl_lock};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use argv::{Chardev, Options};
use log::Log;
use script::Script;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let script: Script = match env::var("FAKE_QEMU").unwrap_or_default().parse() {
        Ok(script) => script,
        Err(problem) => return fail(2, &problem),
    };
    limit_lifetime();
    if let Some(code) = script.exit_early {
        eprintln!("fake-qemu: -device nonsense: 'nonsense' is not a valid device model name");
        exit(code);
    }
    match run(&script, &Options::parse(env::args().skip(1))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(1, &problem),
    }
}

fn fail(code: u8, problem: &str) -> ExitCode {
    eprintln!("fake-qemu: {problem}");
    ExitCode::from(code)
}

/// On a thread, which no script can block.
fn limit_lifetime() {
    let seconds = env::var("FAKE_QEMU_LIFETIME").ok().and_then(|s| s.parse().ok());
    thread::spawn(move || {
        thread::sleep(Duration::from_secs(seconds.unwrap_or(120)));
        exit(3);
    });
}

/// Runs the machine. Before the sockets exist, SIGTERM kills it as it kills QEMU.
async fn run(script: &Script, options: &Options) -> Result<(), String> {
    sleep(script.slow_pidfile).await;
    let _lock = options.pidfile.as_deref().map(write_pidfile).transpose()?;
    sleep(script.slow_socket).await;
    let _listeners: Vec<_> = options.chardevs.iter().map(open).collect::<Result<_, _>>()?;
    let pipe = options.pipe.as_deref().filter(|_| !script.no_log);
    let mut log = Log::open(pipe).map_err(|error| format!("no event log: {error}"))?;
    let term = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let qmp = options.qmp.as_deref().map(listen).transpose()?;
    if script.die_after_bind {
        exit(1);
    }
    tokio::select! {
        ended = serve(qmp, script, &mut log) => ended.map_err(|e| e.to_string())?,
        () = terminated(term, script.ignore_term) => {}
    }
    for path in options.sockets().chain(&options.pidfile) {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

async fn terminated(mut term: Signal, ignore: bool) {
    while term.recv().await.is_some() && ignore {}
}

/// Serves QMP until a command ends the machine.
async fn serve(listener: Option<UnixListener>, script: &Script, log: &mut Log) -> io::Result<()> {
    match listener {
        Some(listener) if !script.mute => {
            listener.set_nonblocking(true)?;
            qmp::serve(tokio::net::UnixListener::from_std(listener)?, script, log).await
        }
        _unserved => future::pending().await,
    }
}

/// Writes and locks the pidfile as QEMU does (`qemu_write_pidfile`).
///
/// The file must stay open: closing any descriptor of the file releases a POSIX lock.
fn write_pidfile(path: &Path) -> Result<File, String> {
    let problem = |what: &str| format!("cannot create PID file: {what}");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file =
        options.open(path).map_err(|e| problem(&format!("Cannot open pid file: {e}")))?;
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| problem("Cannot lock pid file: Resource temporarily unavailable"))?;
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|_| problem("Failed to write pid file"))?;
    Ok(file)
}

fn open(chardev: &Chardev) -> Result<UnixListener, String> {
    if let Some(path) = &chardev.logfile {
        let keep = chardev.logappend;
        let mut options = OpenOptions::new();
        let opened = options.create(true).write(true).append(keep).truncate(!keep).open(path);
        opened.map_err(|e| format!("Unable to open logfile {}: {e}", path.display()))?;
    }
    listen(&chardev.socket)
}

/// Replaces a socket that an earlier run left behind, as QEMU does.
fn listen(path: &Path) -> Result<UnixListener, String> {
    let _ = fs::remove_file(path);
    UnixListener::bind(path)
        .map_err(|e| format!("Failed to bind socket to {}: {e}", path.display()))
}
