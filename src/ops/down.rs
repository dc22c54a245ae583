//! Stops a VM together with its SSH connections.

use crate::config::Instance;
use crate::vm::{self, By, From, Stopped};
use crate::{Error, ssh};

/// Stops a VM and its shared SSH connection; a VM that is not running is no error.
///
/// # Errors
/// Those of [`vm::stop`].
pub async fn down(instance: &Instance, from: From, by: By) -> Result<Stopped, Error> {
    let stopped = vm::stop(instance, from, by).await?;
    ssh::close(instance).await?;
    Ok(stopped)
}
