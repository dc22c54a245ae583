//! What a control verb works on: a VM of the config, or any other QEMU, by its pid or its QMP socket.

mod error;
mod qemu;

pub use crate::qemu_args::QmpSocket;
pub use error::TargetError;
pub use qemu::{Manager, Qemu, qemus};

use crate::Error;
use crate::config::Instance;
use crate::qmp::{self, Address, Client};
use crate::sys::deadline;
use crate::vm::{Registry, running};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long another QEMU may take to greet: it greets at once, unless it serves another client.
const GREETING: Duration = Duration::from_secs(1);

/// What a control verb works on.
#[derive(Clone, Debug)]
pub enum Target {
    /// A VM or throwaway instance that qqmgr has started.
    Vm(Instance),
    /// Another process, by its pid.
    Pid(u32),
    /// A QMP socket, whatever is behind it.
    Socket(Address),
}

impl Target {
    /// Whether a text names another QEMU than a VM of the config: `pid:N`, `unix:PATH` or
    /// `tcp:HOST:PORT`.
    ///
    /// # Errors
    /// It begins like one of these, and is none.
    pub fn other(text: &str) -> Result<Option<Target>, Error> {
        let wrong =
            |expected: &'static str| TargetError::Malformed { text: text.to_owned(), expected };
        Ok(match text.split_once(':') {
            Some(("pid", pid)) => match pid.parse() {
                Ok(pid @ 1..) => Some(Target::Pid(pid)),
                _ => return Err(wrong("pid:1234").into()),
            },
            Some(("unix", "")) => {
                return Err(wrong("unix:/path/to.sock").into());
            }
            Some(("unix", path)) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
                Some(Target::Socket(Address::Unix(path)))
            }
            Some(("tcp", address)) => match address.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Some(Target::Socket(Address::Tcp(address.to_owned())))
                }
                _ => return Err(wrong("tcp:127.0.0.1:4444").into()),
            },
            _ => None,
        })
    }

    /// What a text names: another QEMU, or a VM.
    ///
    /// # Errors
    /// There is no such VM, or it is no target.
    pub fn named(registry: &Registry<'_>, text: &str) -> Result<Target, Error> {
        match Target::other(text)? {
            Some(target) => Ok(target),
            None => Ok(Target::Vm(registry.get(text)?)),
        }
    }

    /// How the user calls it.
    pub fn name(&self) -> String {
        match self {
            Target::Vm(instance) => instance.name.clone(),
            Target::Pid(pid) => format!("pid:{pid}"),
            Target::Socket(address) => address.to_string(),
        }
    }

    /// Runs `exchange` on a fresh QMP connection within `patience`.
    ///
    /// # Errors
    /// It has no QMP that can be reached, another client holds it, or the exchange fails.
    pub async fn qmp<T>(
        &self,
        patience: Duration,
        exchange: impl AsyncFnOnce(&mut Client) -> Result<T, qmp::Error>,
    ) -> Result<T, Error> {
        let address = match self {
            Target::Vm(instance) => return running(instance)?.qmp(patience, exchange).await,
            Target::Pid(pid) => self.address(*pid)?,
            Target::Socket(address) => address.clone(),
        };
        let target = self.name();
        let deadline = deadline::within(patience);
        let unreachable = |error| TargetError::Unreachable {
            target: target.clone(),
            address: address.clone(),
            error,
        };
        let stream = timeout_at(deadline, address.connect()).await;
        let stream = stream.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let stream = stream.map_err(unreachable)?;
        let failed = |error| TargetError::Qmp { target: target.clone(), error };
        let greeted_by = deadline.min(Instant::now() + GREETING);
        let Ok(client) = timeout_at(greeted_by, Client::handshake(stream)).await else {
            return Err(
                TargetError::Held { target: target.clone(), address: address.clone() }.into()
            );
        };
        let mut client = client.map_err(failed)?;
        match timeout_at(deadline, exchange(&mut client)).await {
            Ok(answer) => Ok(answer.map_err(failed)?),
            Err(_) => {
                Err(TargetError::TimedOut { target: target.clone(), waited: patience }.into())
            }
        }
    }

    /// Where a process has QMP.
    fn address(&self, pid: u32) -> Result<Address, Error> {
        let sockets = Qemu::of(pid)?.qmp;
        let reason = match sockets.first() {
            None => "it was started without QMP".to_owned(),
            Some(QmpSocket::Unreachable(why)) => why.clone(),
            Some(QmpSocket::At(_)) => String::new(),
        };
        let mut addresses = sockets.into_iter().filter_map(|socket| match socket {
            QmpSocket::At(address) => Some(seen_from_here(address, pid)),
            QmpSocket::Unreachable(_) => None,
        });
        Ok(addresses.next().ok_or(TargetError::NoQmp { pid, reason })?)
    }
}

/// An address as this process reaches it: QEMU may have another root directory, in a container.
fn seen_from_here(address: Address, pid: u32) -> Address {
    match address {
        Address::Unix(path) if !path.exists() => {
            Address::Unix(PathBuf::from(format!("/proc/{pid}/root{}", path.display())))
        }
        address => address,
    }
}
