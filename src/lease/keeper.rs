//! The keeper of a lease: its life as a process, and the handle of whoever asked for it.
//!
//! They are joined by a pipe. Its end tells the keeper that the other is done or dead, and from
//! then on the VM is the keeper's; until then it is the other's.

use super::record::{Lease, Owner};
use crate::Error;
use crate::config::Instance;
use crate::process::Process;
use crate::ssh;
use crate::vm::{self, From, VmDir};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::Instant;

/// How long the guest has to power down when its lease is over.
const POWERDOWN: Duration = Duration::from_secs(20);

/// How long a killed process may take to be gone, and a lock to become free.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the keeper says when the directory of a throwaway instance is there.
const READY: &[u8] = b"ready\n";

/// What the keeper is told before the pipe ends: that there is nothing to keep.
const DROP: u8 = b'd';

/// What the keeper is told before the pipe ends: that the VM is to stay until somebody stops it.
const STAY: u8 = b's';

/// What a keeper is there for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    /// The VM.
    pub instance: Instance,
    /// When it is to end.
    pub lease: Lease,
}

/// A keeper, as whoever asked for it sees it.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
    pipe: ChildStdin,
}

impl Keeper {
    /// Starts a keeper: this program with the hidden verb `keep`. When it returns, a throwaway
    /// instance's directory is there.
    ///
    /// # Errors
    /// It can't be started or can't make the directory.
    pub async fn start(role: &Role) -> Result<Keeper, Error> {
        let system = |error| Error::System {
            vm: role.instance.name.clone(),
            action: "start its keeper",
            error,
        };
        let role_text = serde_json::to_string(role).map_err(|error| system(error.into()))?;
        let mut command = std::process::Command::new("/proc/self/exe");
        command.args(["keep", &role_text]).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // SAFETY: the closure runs between fork and exec and is one system call.
        unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
        let mut child = Command::from(command).spawn().map_err(system)?;
        let (Some(pipe), Some(mut answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(system(io::ErrorKind::BrokenPipe.into()));
        };
        let mut said = Vec::new();
        answer.read_to_end(&mut said).await.map_err(system)?;
        if said == READY {
            return Ok(Keeper { child, pipe });
        }
        let reason = String::from_utf8_lossy(&said).trim().to_owned();
        Err(system(io::Error::other(reason)))
    }

    /// Leaves the VM to the keeper and waits until that has ended it.
    pub async fn finish(self) {
        self.leave(None).await;
    }

    /// Tells the keeper that there is nothing to keep.
    pub async fn dismiss(self) {
        self.leave(Some(DROP)).await;
    }

    /// Lets a throwaway instance live on until somebody stops it.
    ///
    /// # Errors
    /// The keeper is gone.
    pub async fn stay(mut self) -> io::Result<()> {
        self.pipe.write_all(&[STAY]).await
    }

    /// Leaves the VM to the keeper, which ends it when its time has come.
    pub fn detach(self) {}

    async fn leave(mut self, word: Option<u8>) {
        if let Some(word) = word {
            let _ = self.pipe.write_all(&[word]).await;
        }
        drop(self.pipe);
        // Its exit is all there is to know: what it leaves undone `gc` does.
        let _ = self.child.wait().await;
    }
}

impl Role {
    /// Lives the keeper's life, from its start to its VM's end.
    ///
    /// # Errors
    /// The directory can't be used, or the VM can't be ended.
    pub async fn keep(self) -> Result<(), Error> {
        if self.lease.throwaway { self.keep_throwaway().await } else { self.keep_lease().await }
    }

    async fn keep_lease(mut self) -> Result<(), Error> {
        close_stdout_with(READY)?;
        if last_word().await == Some(DROP) {
            return Ok(());
        }
        let Some((dir, process)) = self.find().await? else {
            return Ok(());
        };
        self.lease.vm = Owner::of(process.pid());
        let _held = self.lease.hold(&dir)?;
        let owner =
            self.lease.owner.filter(Owner::lives).and_then(|owner| Process::open(owner.pid));
        let orphaned = self.lease.owner.is_some() && owner.is_none();
        tokio::select! {
            _ = process.ended() => return Ok(()),
            () = sleep_or_never(self.lease.left()) => {}
            () = ended_or_never(owner.as_ref()), if !orphaned => {}
            () = std::future::ready(()), if orphaned => {}
        }
        vm::stop(&self.instance, From::Powerdown(POWERDOWN)).await?;
        ssh::close(&self.instance).await
    }

    async fn keep_throwaway(self) -> Result<(), Error> {
        let prepared = VmDir::create_new(&self.instance)
            .and_then(|dir| self.lease.hold(&dir).map(|held| (dir, held)));
        let (dir, _held) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                close_stdout_with(error.to_string().as_bytes())?;
                return Err(error);
            }
        };
        close_stdout_with(READY)?;
        let word = last_word().await;
        if let Some((_, process)) = self.find().await? {
            if word == Some(STAY) {
                let _ = process.ended().await;
            }
            // Side by side, because starting ssh takes longer than ending QEMU.
            let ((), closed) = tokio::join!(end(&process), ssh::close(&self.instance));
            closed?;
        } else {
            ssh::close(&self.instance).await?;
        }
        dir.remove_all()
    }

    /// The VM's process, once nobody is starting it any more: a start that was killed leaves its
    /// lock to the QEMU that it forked, until that is executed and can be seen.
    async fn find(&self) -> Result<Option<(VmDir, Process)>, Error> {
        let Some(dir) = VmDir::open(&self.instance)? else {
            return Ok(None);
        };
        let _lock = dir.lock(&self.instance.name, Instant::now() + PATIENCE).await;
        Ok(dir.process()?.map(|process| (dir, process)))
    }
}

/// Kills what nobody needs any more, and waits until it is gone.
async fn end(process: &Process) {
    let _ = process.signal(Signal::KILL);
    let _ = tokio::time::timeout(PATIENCE, process.ended()).await;
}

/// Reads the pipe to its end: the last thing that was said.
async fn last_word() -> Option<u8> {
    let mut said = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut said).await;
    said.last().copied()
}

/// Says something and closes standard output: whoever reads it waits for its end.
fn close_stdout_with(text: &[u8]) -> Result<(), Error> {
    let failed = |error: rustix::io::Errno| Error::Runtime { error: error.into() };
    let stdout = rustix::stdio::stdout();
    rustix::io::write(stdout, text).map_err(failed)?;
    let flags = rustix::fs::OFlags::RDWR;
    let null = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty()).map_err(failed)?;
    rustix::stdio::dup2_stdout(&null).map_err(failed)
}

async fn sleep_or_never(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

async fn ended_or_never(process: Option<&Process>) {
    match process {
        Some(process) => drop(process.ended().await),
        None => std::future::pending().await,
    }
}
