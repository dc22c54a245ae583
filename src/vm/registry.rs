//! Finds VMs by name: those that the config defines, their throwaway instances, and those that
//! still run after the config stopped defining them.

use super::dir::VmDir;
use super::launch::Launch;
use super::liveness::Liveness;
use crate::Error;
use crate::config::{Config, DIR_PREFIX, Instance, RUNS, is_vm_name};
use crate::error::{SystemError, Usage};
use crate::sys::private_dir;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use wildmatch::WildMatch;

/// The VMs of a config file, by their names.
#[derive(Clone, Copy, Debug)]
pub struct Registry<'a> {
    config: &'a Config,
    /// Whether the file itself could be read.
    is_read: bool,
}

impl<'a> Registry<'a> {
    /// The VMs of a config.
    pub fn of(config: &'a Config) -> Registry<'a> {
        Registry { config, is_read: true }
    }

    /// The VMs of a config that could not be read: only its runtime directory shows them.
    /// [`Registry::get`] then also finds a VM that has ended.
    pub fn of_unread(config: &'a Config) -> Registry<'a> {
        Registry { config, is_read: false }
    }

    /// The VM or throwaway instance called `name`.
    ///
    /// # Errors
    /// There is none, or a directory can't be read.
    pub fn get(&self, name: &str) -> Result<Instance, Error> {
        let (vm, id) = name.split_once('+').map_or((name, None), |(vm, id)| (vm, Some(id)));
        let unknown = || Error::from(self.config.unknown(name));
        let found = match self.config.instance(vm) {
            Ok(vm) => vm,
            // The instances' own records find them.
            Err(_) if is_vm_name(vm) => self.config.stray(vm),
            Err(_) => return Err(unknown()),
        };
        let found = match id {
            Some(id) if is_vm_name(id) => found.run(id),
            Some(_) => return Err(unknown()),
            None => found,
        };
        let found = self.where_it_lives(found)?;
        let exists = match (found.is_defined(), found.is_run()) {
            (true, false) => true,
            (true, true) => found.dir.is_dir(),
            // An unreadable runtime directory is an error, not an unknown VM.
            (false, _) if !found.dir.exists() && names_in(&self.config.runtime)?.is_empty() => {
                false
            }
            (false, _) => self.is_ours(&found)? && (!self.is_read || lives(&found)),
        };
        if exists { Ok(found) } else { Err(unknown()) }
    }

    /// The VM, with the directory of an earlier qqmgr if it runs there.
    fn where_it_lives(&self, instance: Instance) -> Result<Instance, Error> {
        match self.config.earlier(&instance) {
            Some(earlier)
                if earlier.dir.is_dir() && lives(&earlier) && self.is_ours(&earlier)? =>
            {
                Ok(earlier)
            }
            _ => Ok(instance),
        }
    }

    /// The VM called `name`, to be started. A throwaway instance ends with its first life, and a VM
    /// that the config no longer defines can't be started.
    ///
    /// # Errors
    /// As [`Registry::get`], or it is a throwaway instance.
    pub fn startable(&self, name: &str) -> Result<Instance, Error> {
        match self.get(name)? {
            instance if instance.is_run() => {
                let message =
                    format!("`{name}` is a throwaway instance, which can't be started again");
                let hint = Some(format!("start another one: qqmgr run {}", instance.definition));
                Err(Usage { message, hint }.into())
            }
            _ => self.where_it_lives(self.config.instance(name)?),
        }
    }

    /// The VMs that match names or patterns with `*` and `?`, each once; `one` looks up a name.
    ///
    /// # Errors
    /// A name or pattern matches no VM, or a directory can't be read.
    pub fn matching(
        &self,
        patterns: &[String],
        one: impl Fn(&str) -> Result<Instance, Error>,
    ) -> Result<Vec<Instance>, Error> {
        let mut found: Vec<Instance> = Vec::new();
        for pattern in patterns {
            let wanted = WildMatch::new(pattern);
            let matching = match is_pattern(pattern) {
                false => vec![one(pattern)?],
                true => self.all()?.into_iter().filter(|vm| wanted.matches(&vm.name)).collect(),
            };
            if matching.is_empty() {
                return Err(self.config.unknown(pattern).into());
            }
            for instance in matching {
                if !found.contains(&instance) {
                    found.push(instance);
                }
            }
        }
        Ok(found)
    }

    /// All VMs, in the order of the file, then those that only run. Each is followed by its
    /// throwaway instances.
    ///
    /// # Errors
    /// A directory can't be read.
    pub fn all(&self) -> Result<Vec<Instance>, Error> {
        // Of a thousand VMs, few have ever run: one look finds those.
        let mut started = BTreeSet::new();
        for place in
            [Some(&self.config.runtime), self.config.earlier.as_ref()].into_iter().flatten()
        {
            let names = names_in(place)?.into_iter();
            started.extend(names.filter_map(|it| it.strip_prefix(DIR_PREFIX).map(str::to_owned)));
        }
        let mut found = Vec::with_capacity(self.config.file.vms.len());
        for vm in self.config.vms() {
            if !started.remove(&vm.name) {
                found.push(vm);
                continue;
            }
            let vm = self.where_it_lives(vm)?;
            let runs = runs_of(&vm)?;
            found.push(vm);
            found.extend(runs);
        }
        for name in started.into_iter().filter(|name| is_vm_name(name)) {
            let vm = self.where_it_lives(self.config.stray(&name))?;
            if self.is_ours(&vm)? && lives(&vm) {
                found.push(vm.clone());
            }
            for run in runs_of(&vm)? {
                if self.is_ours(&run)? {
                    found.push(run);
                }
            }
        }
        Ok(found)
    }

    /// Whether this config file started the VM: a directory with a config of another name than
    /// `qqmgr.toml` may hold other configs' VMs, and files with names like a VM's.
    fn is_ours(&self, instance: &Instance) -> Result<bool, Error> {
        let launch = match VmDir::open(instance) {
            Err(error) if matches!(error.get(), Some(SystemError::UnsafeDir { .. })) => {
                return Ok(false);
            }
            dir => dir?.as_ref().map(Launch::read).transpose()?.flatten(),
        };
        Ok(launch.is_some_and(|launch| launch.config == self.config.file.source.path))
    }
}

/// Whether a name may match several VMs.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether a VM is running, as far as qqmgr can tell. An error is reported by the command that then
/// works on the VM.
fn lives(instance: &Instance) -> bool {
    !matches!(Liveness::of(instance), Ok(Liveness::Stopped))
}

/// The throwaway instances of a VM, by their names.
fn runs_of(vm: &Instance) -> Result<Vec<Instance>, Error> {
    let mut ids = if vm.dir.is_dir() { names_in(&vm.dir.join(RUNS))? } else { Vec::new() };
    ids.retain(|id| is_vm_name(id));
    ids.sort();
    Ok(ids.iter().map(|id| vm.run(id)).collect())
}

/// The names in a directory, which may be missing.
fn names_in(dir: &Path) -> Result<Vec<String>, Error> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(private_dir::unreadable(dir)),
    }
}
