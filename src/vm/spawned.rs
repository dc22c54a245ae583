//! QEMU as a child process. One thread forks it and waits for it: the kernel regards that thread as
//! the parent whose end it may have to report to QEMU (`PR_SET_PDEATHSIG`, prctl(2)). A program
//! that keeps running gets no zombie.

use super::ladder::LAST_GRACE;
use crate::sys::process::Process;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use tokio::sync::oneshot;

/// QEMU, or the program that was started in its place.
pub struct Spawned {
    /// Its process.
    pub process: Process,
    group: Pid,
    /// Until this is dropped nothing waits for the child, so its pid and its group's are not
    /// reused.
    unwaited: Option<mpsc::Sender<()>>,
    status: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Spawned {
    /// Executes a command that leads its own process group.
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

    /// Kills it and its whole process group; the first caller learns how it ended.
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
