//! Resetting a VM in place.

use super::connect::Control;
use super::dir::VmDir;
use crate::Error;
use crate::config::Instance;
use std::time::Duration;

/// How long QMP may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Presses the machine's reset button (QMP `system_reset`); QEMU and its pid stay.
///
/// # Errors
/// The VM is not running, or QMP does not answer as it should.
pub async fn reset(instance: &Instance) -> Result<u32, Error> {
    let not_running = || Error::NotRunning { vm: instance.name.clone() };
    let dir = VmDir::open(instance)?.ok_or_else(not_running)?;
    let process = dir.process()?.ok_or_else(not_running)?;
    let control = Control { vm: &instance.name, dir: &dir, process: &process };
    control.qmp(PATIENCE, async |client| client.execute("system_reset", None).await).await?;
    // The guest that comes up may have other host keys.
    let _ = std::fs::remove_file(dir.file("known_hosts"));
    Ok(process.pid())
}
