//! Waiting for a VM to be started by somebody else.

use super::{Condition, Plan};
use crate::Error;
use crate::config::Instance;
use crate::vm::VmDir;
use rustix::fs::inotify::{CreateFlags, WatchFlags};
use std::io;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Returns when a start of the VM has come to its end and left it running.
///
/// # Errors
/// The time of `plan` is over, or the VM's directory can't be used.
pub async fn started(instance: &Instance, plan: &Plan) -> Result<(), Error> {
    let deadline = plan.since + plan.timeout;
    let dir = VmDir::create(instance)?;
    let system = |error: io::Error| Error::System {
        vm: instance.name.clone(),
        action: "watch its directory",
        error,
    };
    let watch = || -> io::Result<_> {
        let changes = rustix::fs::inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let made = WatchFlags::CREATE | WatchFlags::MOVED_TO;
        rustix::fs::inotify::add_watch(&changes, &instance.dir, made)?;
        // SAFETY: the AsyncFd owns the descriptor.
        Ok(unsafe { AsyncFd::register_with_interest(changes, Interest::READABLE) }?)
    };
    let changes = watch().map_err(system)?;
    loop {
        if dir.process()?.is_some() {
            // Whoever starts it holds the lock until QEMU has answered.
            drop(dir.lock(&instance.name, deadline).await?);
            if dir.process()?.is_some() {
                return Ok(());
            }
        }
        let Ok(ready) = tokio::time::timeout_at(deadline, changes.readable()).await else {
            let missing: Vec<_> = plan.conditions.iter().map(Condition::to_string).collect();
            return Err(Error::WaitTimeout {
                vm: instance.name.clone(),
                waited: plan.timeout,
                missing: missing.join(", "),
                held: String::new(),
                detail: ": nobody started it".to_owned(),
            });
        };
        let mut ready = ready.map_err(system)?;
        let mut buffer = [0; 4096];
        while matches!(rustix::io::read(&changes, &mut buffer), Ok(1..)) {}
        ready.clear_ready();
    }
}
