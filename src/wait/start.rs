//! Waits until another command starts a VM.

use super::{Condition, Plan};
use crate::Error;
use crate::config::Instance;
use crate::sys::changes::Changes;
use crate::sys::deadline;
use crate::vm::{VmDir, VmError, awaited};
use crate::wait::WaitError;
use inotify::WatchMask;
use std::io;

/// Returns when another command has started the VM and QEMU has answered.
///
/// # Errors
/// The time of `plan` is over, or the VM's directory can't be used.
pub async fn started(instance: &Instance, plan: &Plan) -> Result<(), Error> {
    awaited::tell(instance, "its start");
    let deadline = deadline::after(plan.since, plan.timeout);
    let dir = VmDir::create(instance)?;
    let system = |error: io::Error| {
        Error::from(VmError::System {
            vm: instance.name.clone(),
            action: "watch its directory",
            error,
        })
    };
    let made = WatchMask::CREATE | WatchMask::MOVED_TO;
    let mut changes = Changes::of(&[&instance.dir], made).map_err(system)?;
    loop {
        if dir.process()?.is_some() {
            // The command that starts it holds the lock until QEMU has answered.
            drop(dir.lock(&instance.name, deadline).await?);
            if dir.process()?.is_some() {
                return Ok(());
            }
        }
        let Ok(changed) = tokio::time::timeout_at(deadline, changes.next()).await else {
            let missing: Vec<_> = plan.conditions.iter().map(Condition::to_string).collect();
            return Err(WaitError::Timeout {
                vm: instance.name.clone(),
                waited: plan.timeout,
                missing: missing.join(", "),
                held: "".into(),
                detail: if plan.is_once() { "" } else { "it was not started" }.into(),
                excerpt: "".into(),
            }
            .into());
        };
        changed.map_err(system)?;
    }
}
