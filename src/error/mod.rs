//! Everything that can go wrong, in one place, and what to say then, in the words of `phrases`;
//! `answers` has the rest: stable codes, exit codes, hints and places.

mod answers;
mod phrases;

pub use answers::Place;
pub(crate) use phrases::{colon, no_answer};

use crate::text::duration;
use crate::vm::Ended;
use crate::{config, console, qmp};
use phrases::{also_held, words};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why qqmgr could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The config file, or the VM that it should have.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The arguments contradict each other.
    #[error("{message}")]
    Usage {
        /// What is wrong with them.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The VM has to be running.
    #[error("VM `{vm}` is not running{}", colon(&words(ended)))]
    NotRunning {
        /// The VM.
        vm: String,
        /// How it has ended, if it was ever started.
        ended: Option<Box<Ended>>,
    },
    /// QEMU lives, but the directory with its sockets does not.
    #[error("VM `{vm}` is running (pid {pid}), but its runtime directory was removed")]
    Orphaned {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
    },
    /// QEMU lives, but not where we could see it.
    #[error("VM `{vm}` runs in another container or pid namespace")]
    Elsewhere {
        /// The VM.
        vm: String,
    },
    /// There are no logs, since the VM has never run.
    #[error("VM `{vm}` has never been started")]
    NeverStarted {
        /// The VM.
        vm: String,
    },
    /// The VM's console or monitor can't be had.
    #[error(transparent)]
    Console(#[from] console::Error),
    /// QEMU's human monitor has no such command.
    #[error("VM `{vm}`: QEMU's monitor does not know this command: {command}")]
    UnknownCommand {
        /// The VM.
        vm: String,
        /// The whole line.
        command: String,
    },
    /// The VM has to be stopped.
    #[error("VM `{vm}` is running (pid {pid})")]
    AlreadyRunning {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
    },
    /// The port for SSH is picked at each start, and the VM was not started.
    #[error("VM `{vm}` is not running, and its SSH port is picked when it starts")]
    SshPortUnknown {
        /// The VM.
        vm: String,
    },
    /// A file that is not to be overwritten.
    #[error("{path:?} is there already")]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// QEMU opened no gdb stub.
    #[error("VM `{vm}`: QEMU opened no gdb stub{}", colon(answer))]
    GdbStub {
        /// The VM.
        vm: String,
        /// What QEMU's monitor said.
        answer: String,
    },
    /// A file or directory of ours can't be used.
    #[error("can't {action} {path:?}: {error}")]
    File {
        /// What was tried, as verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A runtime directory that is not safe to use.
    #[error("the runtime directory {path:?} is refused: it {reason}")]
    UnsafeDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A system call failed that should not have.
    #[error("VM `{vm}`: can't {action}: {error}")]
    System {
        /// The VM.
        vm: String,
        /// What was tried, as verb.
        action: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// A program can't be executed.
    #[error("can't run `{program}`: {error}")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        error: io::Error,
        /// Where the config names it.
        place: Option<Place>,
    },
    /// Another qqmgr works on the VM for too long.
    #[error("VM `{vm}`: another qqmgr has been starting or stopping it for {}", duration::format(*waited))]
    Locked {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
    },
    /// The system has no means left for us to work with.
    #[error("qqmgr can't work: {error}")]
    Runtime {
        /// Why not.
        error: io::Error,
    },
    /// QEMU ended before it answered.
    #[error("VM `{vm}` did not start: QEMU {status}{}", colon(stderr))]
    QemuFailed {
        /// The VM.
        vm: String,
        /// How QEMU ended, such as `exited with code 1`.
        status: String,
        /// What QEMU said, made harmless.
        stderr: String,
        /// The config's line that QEMU complained about, where that can be told.
        place: Option<Place>,
    },
    /// Somebody stopped the VM before it was up.
    #[error("VM `{vm}` was stopped while it started")]
    Stopped {
        /// The VM.
        vm: String,
    },
    /// The port for SSH is somebody else's.
    #[error("VM `{vm}` did not start: its SSH port {port} is taken by {owner}")]
    PortTaken {
        /// The VM.
        vm: String,
        /// The port on the host.
        port: u16,
        /// The VM or process that listens on it.
        owner: String,
    },
    /// QEMU did not answer in time.
    #[error("VM `{vm}` did not start: QEMU did not answer on QMP within {}{}", duration::format(*waited), colon(stderr))]
    StartTimeout {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
        /// What QEMU said, made harmless.
        stderr: String,
    },
    /// QMP did not answer in time.
    #[error("VM `{vm}` (pid {pid}): {}", no_answer(*waited, *held))]
    QmpTimeout {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
        /// How long we waited.
        waited: Duration,
        /// Whether another client is connected to the socket.
        held: bool,
    },
    /// QMP answered something else than it should, or hung up.
    #[error("VM `{vm}` (pid {pid}): {error}")]
    Qmp {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
        /// What happened.
        error: qmp::Error,
    },
    /// Its events can't be had.
    #[error("VM `{vm}`: can't listen to its events: {reason}")]
    Events {
        /// The VM.
        vm: String,
        /// Why not.
        reason: &'static str,
    },
    /// Fewer events came in time than were wanted.
    #[error("VM `{vm}`: {seen} of {wanted} events came within {}", duration::format(*waited))]
    EventsTimeout {
        /// The VM.
        vm: String,
        /// How many came.
        seen: u64,
        /// How many were wanted.
        wanted: u64,
        /// How long we waited.
        waited: Duration,
    },
    /// What was waited for did not come in time.
    #[error("VM `{vm}`: waited {} for {missing}{}{}", duration::format(*waited), also_held(held), colon(detail))]
    WaitTimeout {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
        /// The conditions that did not hold.
        missing: String,
        /// Those that did.
        held: Box<str>,
        /// What else is known: what keeps the guest, or what ssh said.
        detail: Box<str>,
        /// The end of the serial log, made harmless.
        excerpt: Box<str>,
    },
    /// Something holds that must not.
    #[error("VM `{vm}`: {condition} holds, which was not to be")]
    WaitFailed {
        /// The VM.
        vm: String,
        /// The condition.
        condition: String,
    },
    /// The VM ended while we waited for it.
    #[error("VM `{vm}` ended while it was waited for{}", colon(&words(ended)))]
    Died {
        /// The VM.
        vm: String,
        /// How.
        ended: Option<Box<Ended>>,
    },
    /// A file was not copied into or out of the guest.
    #[error("VM `{vm}`: `{what}` was not copied{}", colon(reason))]
    NotCopied {
        /// The VM.
        vm: String,
        /// The file.
        what: String,
        /// What scp said, made harmless.
        reason: String,
    },
    /// The guest's kernel panicked.
    #[error("VM `{vm}`: the guest panicked{}", colon(reason))]
    Panicked {
        /// The VM.
        vm: String,
        /// The kernel's reason, made harmless.
        reason: String,
        /// What the serial log tells of it, made harmless.
        excerpt: String,
        /// Whether QEMU goes on.
        left: bool,
    },
    /// The guest began anew in the middle of what it had to do.
    #[error("VM `{vm}`: the guest was reset")]
    GuestReset {
        /// The VM.
        vm: String,
        /// The end of the serial log, made harmless.
        excerpt: String,
    },
    /// QEMU has stopped the guest, whose disk failed.
    #[error("VM `{vm}`: QEMU stopped the guest{}", colon(detail))]
    IoError {
        /// The VM.
        vm: String,
        /// Which disk, and why.
        detail: String,
    },
    /// A reset would end the VM.
    #[error("VM `{vm}` can't be reset: it was started with `{option}`, which would end it")]
    ResetEnds {
        /// The VM.
        vm: String,
        /// The option of QEMU's.
        option: String,
    },
    /// QEMU took the order to reset, but did not.
    #[error("VM `{vm}` was not reset within {}", duration::format(*waited))]
    NotReset {
        /// The VM.
        vm: String,
        /// How long we waited.
        waited: Duration,
    },
    /// A VM that died or never came up, and where all that is known of it was put.
    #[error("{error}")]
    Crashed {
        /// What happened.
        error: Box<Error>,
        /// The directory.
        bundle: PathBuf,
    },
    /// Even SIGKILL did not end it.
    #[error("VM `{vm}`: process {pid} is still there after SIGKILL")]
    Unkillable {
        /// The VM.
        vm: String,
        /// QEMU's process.
        pid: u32,
    },
}
