//! QEMU as our child. A thread of its own forks it and waits for it: the kernel takes that thread
//! for the parent whose end it may have to tell QEMU of (`PR_SET_PDEATHSIG`, prctl(2)), and in a
//! program that goes on no zombie is left.

use super::ladder::LAST_GRACE;
use crate::sys::process::Process;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use tokio::sync::oneshot;

/// QEMU, or what was started in its place.
pub struct Spawned {
    /// Its process.
    pub process: Process,
    group: Pid,
    /// Until it is dropped nobody waits for the child: its pid, and its group's, stay its own.
    unwaited: Option<mpsc::Sender<()>>,
    status: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Spawned {
    /// Executes a command that leads a process group of its own.
    ///
    /// # Errors
    /// It can't be executed or watched.
    pub async fn spawn(command: Command) -> io::Result<Spawned> {
        let (told, spawned) = oneshot::channel();
        let (ended, status) = oneshot::channel();
        let (unwaited, waited) = mpsc::channel();
        let parent = move || match begin(command) {
            Ok((mut child, process)) => {
                let group = Pid::from_child(&child);
                let _ = told.send(Ok((process, group)));
                let end = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                let _ =
                    rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(group), end));
                let _: Result<(), _> = waited.recv();
                let _ = ended.send(child.wait());
            }
            Err(error) => drop(told.send(Err(error))),
        };
        std::thread::Builder::new().name("qqmgr-qemu".to_owned()).spawn(parent)?;
        let spawned = spawned.await.unwrap_or_else(|gone| Err(io::Error::other(gone)));
        let (process, group) = spawned?;
        Ok(Spawned { process, group, unwaited: Some(unwaited), status })
    }

    /// Kills it with all that it started itself; how it ended, to whoever asks first.
    ///
    /// # Errors
    /// The kernel does not end it in time.
    pub async fn end(&mut self) -> io::Result<Option<ExitStatus>> {
        let Some(unwaited) = self.unwaited.take() else {
            return Ok(None);
        };
        let _ = rustix::process::kill_process_group(self.group, Signal::KILL);
        drop(unwaited);
        match tokio::time::timeout(LAST_GRACE, &mut self.status).await {
            Ok(status) => status.unwrap_or_else(|gone| Err(io::Error::other(gone))).map(Some),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

fn begin(mut command: Command) -> io::Result<(Child, Process)> {
    let mut child = command.spawn()?;
    match Process::of_child(&child) {
        Ok(process) => Ok((child, process)),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}
