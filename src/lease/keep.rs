//! A keeper's own life as a process, from its start to its VM's end.

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

/// How long a killed process may take to be gone, and a lock to become free.
const PATIENCE: Duration = Duration::from_secs(10);

/// What whoever asked for us says.
type Told = Lines<BufReader<Stdin>>;

/// The owner of a lease that has one; `Some(None)` is gone.
type Owner = Option<Option<Process>>;

/// Lives a keeper's life: what it is to keep comes from standard input.
///
/// # Errors
/// The directory can't be used, or the VM can't be ended.
pub async fn keep() -> Result<(), Error> {
    let mut told = BufReader::new(tokio::io::stdin()).lines();
    let role = told.next_line().await.ok().flatten();
    // Whoever asked for us may have been killed before it could say what for.
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

/// Notes what could not be done for whoever looks: there is nobody to tell. That can fail only where
/// the VM's directory is gone or of no use, which is told to everybody else.
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
    // The next keeper may end this one, now that it is told of.
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

/// What a keeper of a lease has.
struct Kept {
    process: Process,
    lease: Lease,
    owner: Owner,
    _held: OwnedFd,
}

/// Makes the lease that of the VM's process, in place of any that it had. Until the VM's lock is
/// dropped there is no other keeper.
async fn take_over(
    instance: &Instance,
    lease: Lease,
    word: Option<Word>,
) -> Result<(Kept, Lock), Error> {
    let owner = lease.owner.as_ref().map(Identity::open).transpose();
    let owner = owner.map_err(|error| unwatched(instance, error))?;
    let gone = || vm::not_running(instance);
    let dir = VmDir::open(instance)?.ok_or_else(gone)?;
    // Under it no other keeper is stopping the VM.
    let lock = dir.lock(&instance.name, Instant::now() + PATIENCE).await?;
    let process = dir.process()?.ok_or_else(gone)?;
    let vm = Identity::of(process.pid()).ok_or_else(gone)?;
    let is_meant = match word {
        Some(Word::Keep { pid }) => pid == vm.pid,
        // Whoever asked for us was killed: what it had started by then is not older than we are.
        _ => Identity::of(std::process::id()).is_some_and(|us| us.started <= vm.started),
    };
    if !is_meant {
        return Err(gone());
    }
    let lease = lease.begun(vm);
    // Before the keeper that there is ends: one with the old record is better than none.
    lease.write(&dir)?;
    if let Some(other) = holder(&dir)? {
        end(&other).await;
    }
    Ok((Kept { process, lease, owner, _held: hold(&dir)? }, lock))
}

async fn keep_run(instance: &Instance, told: Told) -> Result<(), Error> {
    let (_held, dir) = answer(make_kept(instance).await)?;
    let word = last_word(told).await;
    // A start that was killed leaves its lock to the QEMU that it forked, until that is executed
    // and can be seen.
    let lock = dir.lock(&instance.name, Instant::now() + PATIENCE).await;
    let process = dir.process()?;
    drop(lock);
    if let Some(process) = process {
        if word == Some(Word::Stay) {
            // If that can't be seen, the VM stays, and is for `gc`.
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

/// Makes the directory of a throwaway instance, which nobody can see without its keeper.
async fn make_kept(instance: &Instance) -> Result<(OwnedFd, VmDir), Error> {
    let _lock = VmDir::lock_runs(instance, Instant::now() + PATIENCE).await?;
    let dir = VmDir::create_new(instance)?;
    Ok((hold(&dir)?, dir))
}

/// Locks what says that a keeper lives, until it is closed.
fn hold(dir: &VmDir) -> Result<OwnedFd, Error> {
    let path = dir.file(LOCK);
    process::hold(&path).map_err(cant("lock", &path))
}

/// Takes the lease off a VM, which no keeper ends from then on.
///
/// # Errors
/// Its directory can't be used, or the record can't be removed.
pub async fn take_off(instance: &Instance) -> Result<(), Error> {
    let Some(dir) = VmDir::open(instance)? else {
        return Ok(());
    };
    // Under it no keeper is stopping the VM.
    let _lock = dir.lock(&instance.name, Instant::now() + PATIENCE).await?;
    // Before its keeper ends: one without a record only watches the VM.
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

/// Kills what nobody needs any more, and waits until it is gone.
async fn end(process: &Process) {
    let _ = process.signal(Signal::KILL);
    let _ = tokio::time::timeout(PATIENCE, process.ended()).await;
}

/// Listens until the pipe ends: the last thing that was said.
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

/// Tells whoever waits for it what came of the preparations. They read to the end of standard
/// output, so that is closed. If they were killed there is nobody to tell, and all goes on.
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

/// Waits until the lease's owner is gone.
async fn gone(owner: Owner) -> io::Result<()> {
    match owner {
        Some(Some(process)) => process.ended().await,
        Some(None) => Ok(()),
        None => std::future::pending().await,
    }
}
