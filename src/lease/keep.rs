//! The work of a keeper process, from its start to its VM's end.

use super::{LOCK, READY, Role, Word, holder};
use crate::Error;
use crate::config::Instance;
use crate::error::{SystemError, cant};
use crate::ssh;
use crate::sys::clock;
use crate::sys::process::{self, Identity, Process};
use crate::vm::files;
use crate::vm::{self, Lease, Lock, VmDir, VmError};
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::time::Instant;

/// How long a killed process may take to end, and a lock to become free.
const PATIENCE: Duration = Duration::from_secs(10);

/// The lines from the process that started the keeper.
type Told = Lines<BufReader<Stdin>>;

/// The owner of a lease, if it has one; `Some(None)` is an owner that has ended.
type Owner = Option<Option<Process>>;

/// Runs a keeper; it reads its task from standard input.
///
/// # Errors
/// The directory can't be used, or the VM can't be ended.
pub async fn keep() -> Result<(), Error> {
    let mut told = BufReader::new(tokio::io::stdin()).lines();
    let role = told.next_line().await.ok().flatten();
    // The process that started the keeper may have been killed before it sent the task.
    let Some(Role { instance, lease }) = role.and_then(|role| serde_json::from_str(&role).ok())
    else {
        return Ok(());
    };
    let kept = match lease {
        Some(lease) => keep_lease(&instance, lease, told).await,
        None => keep_run(&instance, told).await,
    };
    kept.inspect_err(|error| note(&instance, error))
}

/// Writes an error to the VM's keeper log: no user sees a keeper's output. If the VM's directory is
/// gone or unusable this fails too, but then every command reports that.
fn note(instance: &Instance, error: &Error) {
    if let Ok(Some(dir)) = VmDir::open(instance) {
        let mut log = File::options();
        let log = log.create(true).append(true).mode(0o600).open(dir.file(files::KEEPER_LOG));
        let _ = log.and_then(|mut log| writeln!(log, "{} {error}", jiff::Timestamp::now()));
    }
}

async fn keep_lease(instance: &Instance, lease: Lease, told: Told) -> Result<(), Error> {
    let word = last_word(told).await;
    if word == Some(Word::Drop) {
        return Ok(());
    }
    let (kept, lock) = answer(take_over(instance, lease, word).await)?;
    // From here on another keeper may replace this one.
    drop(lock);
    let Kept { process, lease, owner, _held } = kept;
    tokio::select! {
        biased;
        ended = process.ended() => {
            ended.map_err(|error| unwatched(instance, error))?;
            return vm::tidy(instance).await;
        }
        expired = expired(&lease) => expired.map_err(|error| unwatched(instance, error))?,
        gone = gone(owner) => gone.map_err(|error| unwatched(instance, error))?,
    }
    super::end(&process, instance).await.map(drop)
}

/// The state of a keeper of a lease.
struct Kept {
    process: Process,
    lease: Lease,
    owner: Owner,
    _held: OwnedFd,
}

/// Gives the lease to the VM's process, and replaces its old one. No other keeper can start until
/// the VM's lock is dropped.
async fn take_over(
    instance: &Instance,
    lease: Lease,
    word: Option<Word>,
) -> Result<(Kept, Lock), Error> {
    let owner = lease.owner.as_ref().map(Identity::open).transpose();
    let owner = owner.map_err(|error| unwatched(instance, error))?;
    let gone = || vm::not_running(instance);
    let dir = VmDir::open(instance)?.ok_or_else(gone)?;
    // Under this lock no other keeper is stopping the VM.
    let lock = dir.lock(&instance.name, Instant::now() + PATIENCE).await?;
    let process = dir.process()?.ok_or_else(gone)?;
    let vm = Identity::of(process.pid()).ok_or_else(gone)?;
    let is_meant = match word {
        Some(Word::Keep { pid }) => pid == vm.pid,
        // The starting process was killed: a VM that it started is not older than this keeper.
        _ => Identity::of(std::process::id()).is_some_and(|us| us.started <= vm.started),
    };
    if !is_meant {
        return Err(gone());
    }
    let lease = lease.begun(vm);
    // Before the old keeper ends: a keeper with the old record is better than none.
    lease.write(&dir)?;
    if let Some(other) = holder(&dir)? {
        end(&other).await;
    }
    Ok((Kept { process, lease, owner, _held: hold(&dir)? }, lock))
}

async fn keep_run(instance: &Instance, told: Told) -> Result<(), Error> {
    let (_held, dir) = answer(make_kept(instance).await)?;
    let word = last_word(told).await;
    // After a start was killed, its lock stays with the QEMU that it forked, until QEMU is executed
    // and can be seen.
    let lock = dir.lock(&instance.name, Instant::now() + PATIENCE).await;
    let process = dir.process()?;
    drop(lock);
    if let Some(process) = process {
        if word == Some(Word::Stay) {
            // If its end can't be watched, the VM stays, and `gc` ends it.
            process.ended().await.map_err(|error| unwatched(instance, error))?;
        }
        // Side by side, because starting ssh takes longer than ending QEMU.
        let ((), closed) = tokio::join!(end(&process), ssh::close(instance));
        closed?;
    } else {
        ssh::close(instance).await?;
    }
    let _lock = VmDir::lock_runs(instance, Instant::now() + PATIENCE).await?;
    dir.remove_all()
}

/// Makes the directory of a throwaway instance; it never exists without a keeper.
async fn make_kept(instance: &Instance) -> Result<(OwnedFd, VmDir), Error> {
    let _lock = VmDir::lock_runs(instance, Instant::now() + PATIENCE).await?;
    let dir = VmDir::create_new(instance)?;
    Ok((hold(&dir)?, dir))
}

/// Takes the lock that shows that a keeper is running, until it is closed.
fn hold(dir: &VmDir) -> Result<OwnedFd, Error> {
    let path = dir.file(LOCK);
    process::hold(&path).map_err(cant("lock", &path))
}

/// Removes the lease of a VM; its keeper then no longer stops it.
///
/// # Errors
/// Its directory can't be used, or the record can't be removed.
pub async fn take_off(instance: &Instance) -> Result<(), Error> {
    let Some(dir) = VmDir::open(instance)? else {
        return Ok(());
    };
    // While this process has the lock, no keeper stops the VM.
    let _lock = dir.lock(&instance.name, Instant::now() + PATIENCE).await?;
    // The record goes before the keeper ends: a keeper without a record only watches the VM.
    let record = dir.file(files::LEASE);
    match std::fs::remove_file(&record) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(cant("remove", &record)(error));
        }
        _ => {}
    }
    if let Some(keeper) = holder(&dir)? {
        end(&keeper).await;
    }
    Ok(())
}

/// Kills a process that is no longer needed, and waits until it has ended.
async fn end(process: &Process) {
    let _ = process.signal(Signal::KILL);
    let _ = tokio::time::timeout(PATIENCE, process.ended()).await;
}

/// Reads the pipe to its end and returns the last word.
async fn last_word(mut told: Told) -> Option<Word> {
    let mut word = None;
    while let Ok(Some(line)) = told.next_line().await {
        word = serde_json::from_str(&line).ok();
    }
    word
}

fn unwatched(instance: &Instance, error: io::Error) -> Error {
    Error::from(VmError::System { vm: instance.name.clone(), action: "watch its processes", error })
}

/// Sends the result of the preparations. The reader waits for the end of standard output, so this
/// closes it. If the reader was killed, the keeper goes on.
fn answer<T>(prepared: Result<T, Error>) -> Result<T, Error> {
    let text = prepared.as_ref().err().map(Error::to_string);
    let stdout = rustix::stdio::stdout();
    let _ = rustix::io::write(stdout, text.as_ref().map_or(READY, String::as_bytes));
    let closed = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())
        .and_then(|null| rustix::stdio::dup2_stdout(&null));
    closed.map_err(|error| Error::from(SystemError::Runtime { error: error.into() }))?;
    prepared
}

/// Waits until the lease's time is over.
async fn expired(lease: &Lease) -> io::Result<()> {
    match lease.expires_at {
        Some(time) => clock::reaches(time).await,
        None => std::future::pending().await,
    }
}

/// Waits until the lease's owner has ended.
async fn gone(owner: Owner) -> io::Result<()> {
    match owner {
        Some(Some(process)) => process.ended().await,
        Some(None) => Ok(()),
        None => std::future::pending().await,
    }
}
