//! VMs that outlived their definition: renamed in the config, or removed from it, while they ran.

use super::dir::VmDir;
use super::launch::Launch;
use crate::Error;
use crate::config::{self, Config, Instance};

/// The VMs and runs that this config file's VMs were started as, and that it defines no more.
///
/// Beside a config file of any other name than `qqmgr.toml`, there may be VMs of other files.
pub fn strays(config: &Config) -> Vec<Instance> {
    let is_ours = |instance: &Instance| {
        let launch = VmDir::open(instance).ok().flatten().and_then(|dir| Launch::read(&dir));
        launch.is_some_and(|launch| launch.config == config.file.source.path)
    };
    config.undefined().into_iter().filter(is_ours).collect()
}

/// Those of them that run.
pub fn running_strays(config: &Config) -> Vec<Instance> {
    let runs = |instance: &Instance| {
        let dir = VmDir::open(instance).ok().flatten();
        dir.is_some_and(|dir| matches!(dir.process(), Ok(Some(_))))
    };
    strays(config).into_iter().filter(runs).collect()
}

/// The VM or run called `name`: one of the config, or one that runs though it is none any more.
///
/// # Errors
/// There is neither.
pub fn find(config: &Config, name: &str) -> Result<Instance, Error> {
    match config.instance(name) {
        Err(error @ config::Error::NoSuchVm { .. }) => {
            let mut strays = running_strays(config).into_iter();
            strays.find(|stray| stray.name == name).ok_or(error.into())
        }
        result => Ok(result?),
    }
}
