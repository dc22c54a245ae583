//! Taking a VM down, with what reaches into it.

use crate::config::Instance;
use crate::vm::{self, By, From, Stopped};
use crate::{Error, ssh};

/// Stops a VM and the connection that its SSH sessions share; one that does not run is no error.
///
/// # Errors
/// Those of [`vm::stop`].
pub async fn down(instance: &Instance, from: From, by: By) -> Result<Stopped, Error> {
    let stopped = vm::stop(instance, from, by).await?;
    ssh::close(instance).await?;
    Ok(stopped)
}
