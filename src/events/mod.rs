//! A VM's QMP events, for any number of listeners at once.
//!
//! QEMU serves one client per socket, so the listeners of a VM share a relay: a process that
//! holds the only connection to `events.socket`, lives only while somebody listens, and lets
//! nobody wait for anybody else.

mod attach;
mod names;
mod notice;
mod relay;

pub use names::{Filter, nearest_name};
pub use relay::{RELAY, relay};

use crate::Error;
use crate::config::Instance;
use crate::process::Process;
use crate::qmp::Event;
use crate::vm::{Running, VmDir, running};
use attach::Lines;
use notice::{Line, Notice};
use std::sync::Arc;
use std::time::Duration;

/// How long a relay may take to answer: longer than it waits for QEMU itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A relay that is just ending costs one attempt.
const ATTEMPTS: usize = 5;

/// The events of one QEMU process, from the moment of the subscription to the process's end.
#[derive(Debug)]
pub struct EventStream {
    vm: String,
    dir: Arc<VmDir>,
    process: Process,
    link: Link,
}

/// How the stream stands with a relay.
#[derive(Debug)]
enum Link {
    Live(Lines),
    Lost,
    /// QEMU has hung up: it is about to end, if it has not yet.
    Over,
}

/// Listens to a running VM: no event that QEMU emits after this has returned is missed.
///
/// The first listener of a VM starts its relay, which is this program under another name: one other
/// than qqmgr has to call [`crate::cli::helper`] before anything else.
///
/// # Errors
/// The VM is not running, or QEMU does not answer on its second QMP socket.
pub async fn subscribe(instance: &Instance) -> Result<EventStream, Error> {
    let Running { name, dir, process } = running(instance)?;
    let mut stream = EventStream { vm: name, dir: Arc::new(dir), process, link: Link::Lost };
    stream.link = stream.attach().await?;
    match stream.link {
        Link::Over => Err(Error::NotRunning { vm: instance.name.clone() }),
        _ => Ok(stream),
    }
}

impl EventStream {
    /// The next event; `None` once the VM's process has ended.
    ///
    /// Cancel-safe: in a `tokio::select!`, the branch not taken loses no event.
    ///
    /// # Errors
    /// [`Error::EventsLost`] says that there is a gap here, because this listener was too slow
    /// or its relay was killed; the stream goes on after it. Any other error is final.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            self.link = match &mut self.link {
                Link::Live(lines) => match notice::read(lines).await {
                    Ok(Some(Line::Event(event))) => return Ok(Some(event)),
                    Ok(Some(Line::Notice(Notice::Ended))) => Link::Over,
                    Ok(Some(Line::Notice(Notice::Lagged))) => {
                        return Err(self.lost("they came faster than they were read"));
                    }
                    Ok(Some(Line::Notice(Notice::Failed { reason }))) => {
                        self.link = Link::Lost;
                        return Err(self.failed(reason));
                    }
                    _ => return Err(self.lost("the relay was killed")),
                },
                Link::Lost => self.attach().await?,
                Link::Over => {
                    let ended = self.process.ended().await;
                    let system =
                        |error| Error::System { vm: self.vm.clone(), action: "watch QEMU", error };
                    return ended.map(|()| None).map_err(system);
                }
            };
        }
    }

    /// The process that is listened to.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn lost(&mut self, reason: &'static str) -> Error {
        self.link = Link::Lost;
        Error::EventsLost { vm: self.vm.clone(), reason }
    }

    /// Joins the relay of this process, `Over` if the process has ended.
    async fn attach(&self) -> Result<Link, Error> {
        for _ in 0..ATTEMPTS {
            let mut lines = match attach::connect(self.dir.clone()).await {
                Ok(stream) => notice::lines(stream),
                Err(error) => return Err(self.failed(format!("can't start the relay: {error}"))),
            };
            let first = tokio::time::timeout(PATIENCE, notice::read(&mut lines)).await;
            if self.process.has_ended() {
                return Ok(Link::Over);
            }
            match first {
                Ok(Ok(Some(Line::Notice(Notice::Live { pid })))) if pid == self.pid() => {
                    return Ok(Link::Live(lines));
                }
                Ok(Ok(Some(Line::Notice(Notice::Failed { reason })))) => {
                    return Err(self.failed(reason));
                }
                Err(_) => return Err(self.failed("the relay does not answer".to_owned())),
                // It was just ending.
                Ok(_) => {}
            }
        }
        Err(self.failed("the relay ends at once".to_owned()))
    }

    fn failed(&self, reason: String) -> Error {
        Error::Events { vm: self.vm.clone(), reason }
    }
}
