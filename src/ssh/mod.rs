//! Reaches the guest with the real OpenSSH: writes a config for each VM, shares one connection,
//! waits for logins, copies files.

mod agent;
mod config;
mod copy;
mod doubt;
mod error;
mod guest_paths;
mod host;
mod key;
pub mod links;
mod login;
mod master;
mod path;
mod probe;
mod tries;
mod turn;

pub use copy::{STREAM, get, gives, put, takes};
pub use doubt::{Doubts, Opinion};
pub use error::SshError;
pub use guest_paths::guest_paths;
pub use host::{HOST_NAME, Host, configured, reach};
pub use key::KeyFault;
pub use login::{DENIED, FAILED, Login};
pub use probe::{Signs, answer};

use crate::Error;
use crate::config::{Config, Instance, Ssh};
use crate::sys::short_socket;
use crate::vm::{self, History, VmDir};
use config::Way;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

/// A running VM, ready to be reached: its `ssh.conf` is written.
#[derive(Debug)]
pub struct Session {
    name: String,
    ssh: Ssh,
    dir: VmDir,
    config_file: PathBuf,
    /// Whether it shares a connection that qqmgr makes.
    shares: bool,
    unshared: Option<String>,
    /// Whether the guest runs, so that it would answer on a shared connection.
    goes_on: bool,
}

impl Session {
    /// Prepares to reach a VM. A connection that the guest may have lost is no longer shared.
    ///
    /// # Errors
    /// The VM is not running, its port or address is not known, its SSH options can't be resolved,
    /// or `ssh.conf` can't be written.
    pub async fn open(config: &Config, instance: &Instance) -> Result<Session, Error> {
        let vm = vm::running(instance)?;
        let ssh = host::reach(config, instance, &vm).await?;
        let dir = vm.dir;
        let way = Way::of(&instance.name, &ssh, &dir);
        let config_file = way.write(&instance.name, &dir)?;
        let history = History::read(&dir)?;
        master::drop_stale(&instance.name, &dir, &history).await;
        let state = history.state(&dir).or(history.likely_state());
        let goes_on = state.is_none_or(|state| state.name == "running");
        let (shares, unshared) = (way.shares(), way.obstacle());
        Ok(Session {
            name: instance.name.clone(),
            ssh,
            dir,
            config_file,
            shares,
            unshared,
            goes_on,
        })
    }

    /// OpenSSH's client for the VM; `args` follow the host's name.
    pub fn ssh(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.tool("ssh");
        if needs_own_connection(args) && !self.shares_by_config() {
            command.args(["-o", "ControlPath=none"]);
        }
        command.arg(&self.name).args(args);
        command
    }

    /// The command that runs a script in the guest's shell, with these arguments.
    fn script(&self, script: &str, words: impl IntoIterator<Item = OsString>) -> Command {
        let script = copy::line("exec sh -c ", [copy::word_of(OsStr::new(script)), "sh".into()]);
        self.ssh(&[[script].into_iter().chain(words).collect::<Vec<_>>().join(OsStr::new(" "))])
    }

    /// Whether the user's config sets the shared connection.
    fn shares_by_config(&self) -> bool {
        ["ControlMaster", "ControlPath"].iter().any(|own| self.ssh.value(own).is_some())
    }

    /// Why it can't share a connection, if it should.
    pub fn unshared(&self) -> Option<&str> {
        self.unshared.as_deref()
    }

    /// The SSH options from the config.
    pub(crate) fn options(&self) -> &Ssh {
        &self.ssh
    }

    /// One of OpenSSH's tools with the VM's `ssh.conf`.
    fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-F").arg(&self.config_file);
        // The directory of the sockets may be gone by now, or belong to another user.
        let is_lost = self.shares && short_socket::made().is_err();
        if is_lost || !self.goes_on {
            // A session on a shared connection would keep our descriptors until the guest answers.
            command.args(["-o", "ControlPath=none"]);
        }
        command
    }
}

/// Whether ssh's words after the host's name begin with an option: on a shared connection ssh would
/// ignore many options, such as the user's name and forwards. `-O` controls the shared connection,
/// and an explicit `ControlPath` chooses it.
fn needs_own_connection(args: &[impl AsRef<OsStr>]) -> bool {
    let first = args.first().map(|arg| arg.as_ref().as_bytes()).unwrap_or_default();
    let says_itself = |arg: &OsStr| {
        let arg = arg.to_ascii_lowercase();
        arg.to_string_lossy().contains("controlpath")
    };
    first.starts_with(b"-")
        && first != b"--"
        && !first.starts_with(b"-O")
        && !args.iter().any(|arg| says_itself(arg.as_ref()))
}

/// Ends the shared connections of a VM's sessions, if there are any.
///
/// # Errors
/// The directory can't be used.
pub async fn close(instance: &Instance) -> Result<(), Error> {
    if let Some(dir) = VmDir::open(instance)? {
        master::close(&instance.name, &dir).await;
    }
    Ok(())
}
