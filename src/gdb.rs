//! Runs gdb on QEMU itself, and on the guest through QEMU's gdb stub.

use crate::Error;
use crate::config::{Config, Instance};
use crate::error::{SystemError, colon, faults};
use crate::sys::short_socket::{self, LONGEST_PATH};
use crate::text::quote::quote;
use crate::text::sanitize::harmless;
use crate::vm::{self, Launch, VmDir, VmError, files};
use rustix::io::FdFlags;
use std::os::fd::IntoRawFd;
use std::process::Command;
use std::time::Duration;
use tokio::time::Instant;

/// How long QEMU may take to open its stub.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait for another qqmgr that is working on the VM.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// The file with gdb's commands, in the VM's directory.
const HOOKS: &str = "gdb.commands";

/// QEMU wakes its threads with this signal all the time, so gdb passes it on silently.
const PASS_SIGNALS: &str = "handle SIGUSR1 nostop noprint pass";

/// QEMU did not open its gdb stub.
#[derive(Debug, thiserror::Error)]
#[error("VM `{vm}`: QEMU did not open its gdb stub{}", colon(answer))]
pub struct NoStub {
    /// The VM.
    pub vm: String,
    /// What QEMU's monitor said.
    pub answer: String,
}

faults!(NoStub {
    NoStub { .. } => "gdb_stub_failed", Failed;
});

/// gdb with QEMU and the VM's arguments, to be run by gdb's `run`; `args` are gdb's own.
///
/// The VM counts as running once QEMU runs: QEMU locks the pidfile itself, whatever starts it.
///
/// # Errors
/// The VM is running, its config can't be resolved or its directory can't be used.
pub async fn on_qemu(
    config: &Config,
    instance: &Instance,
    gdb: &str,
    args: &[String],
) -> Result<Command, Error> {
    let (vm, line) = vm::plan(config, instance, &[])?;
    let dir = VmDir::create(instance)?;
    let _lock = dir.lock(&instance.name, Instant::now() + LOCK_PATIENCE).await?;
    if let Some(process) = dir.process()? {
        return Err(
            VmError::AlreadyRunning { vm: instance.name.clone(), pid: process.pid() }.into()
        );
    }
    // QEMU opens the serial log itself; a reader of the old log sees that a new boot begins.
    dir.begin_log(files::SERIAL)?;
    let (_, commands) = Launch::new(config, &vm, &line, &[]).begin(&dir)?;
    let hooks = dir.write(HOOKS, hooks(&dir).as_bytes())?;
    let mut command = Command::new(gdb);
    command
        .args(["-ex", PASS_SIGNALS])
        .arg("-x")
        .arg(hooks)
        .args(args)
        .arg("--args")
        .args(line.words());
    command.envs(vm.env.iter().map(|(name, value)| (name, value))).current_dir(&vm.config_dir);
    // QEMU's first commands wait in the FIFO until gdb runs QEMU.
    rustix::io::fcntl_setfd(&commands, FdFlags::empty())
        .map_err(|error| Error::from(SystemError::Runtime { error: error.into() }))?;
    let _stays_open = commands.into_raw_fd();
    Ok(command)
}

/// gdb commands that begin a new event log at each `run` but the first, whose log exists already.
fn hooks(dir: &VmDir) -> String {
    let path = |name: &str| quote(&dir.file(name).display().to_string());
    let (log, commands) = (path(files::EVENTS_OUT), path(files::EVENTS_IN));
    let opening = vm::OPENING.escape_debug().to_string().replace("\\\"", "\"");
    let again = format!("test ! -s {log} || {{ : >{log}; printf '{opening}' 1<>{commands}; }}");
    let hook = |run: &str| format!("define hook-{run}\nshell {again}\nend\n");
    ["run", "start", "starti"].map(hook).concat()
}

/// Opens QEMU's gdb stub on a running VM and returns the argument for gdb's `target remote`.
///
/// A socket in the user's private directory keeps others away from the guest's memory.
///
/// # Errors
/// The VM is not running, or QEMU does not open its stub.
pub async fn open_stub(instance: &Instance) -> Result<String, Error> {
    let vm = vm::running(instance)?;
    let own = vm.dir.file(files::GDB_SOCKET);
    let socket = match own.as_os_str().len() <= LONGEST_PATH {
        true => own,
        false => short_socket::path(&own)?,
    };
    let target = socket.display().to_string();
    let device = format!("unix:{},server=on,wait=off", target.replace(',', ",,"));
    // Close an open stub first: it would remove the new stub's socket when it ends.
    let commands = ["gdbserver none".to_owned(), format!("gdbserver {}", quoted(&device))];
    let answer = vm
        .qmp(PATIENCE, async |client| {
            let mut answer = serde_json::Value::Null;
            for command in &commands {
                let arguments = serde_json::json!({ "command-line": command });
                answer = client.execute("human-monitor-command", Some(arguments)).await?;
            }
            Ok(answer)
        })
        .await?;
    let answer = answer.as_str().unwrap_or_default();
    vm.dir.tighten();
    match answer.contains("Waiting for gdb connection") {
        true => Ok(target),
        false => {
            let answer = harmless(answer.as_bytes());
            Err(NoStub { vm: vm.name, answer }.into())
        }
    }
}

/// A word for the human monitor, with a backslash before each backslash and quote.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
}

/// gdb on a stub; `args` are gdb's own, such as the kernel with its symbols. Commands in them run
/// after the connection.
pub fn on_stub(target: &str, gdb: &str, args: &[String]) -> Command {
    let mut command = Command::new(gdb);
    command.arg("-ex").arg(format!("target remote {target}")).args(args);
    command
}
