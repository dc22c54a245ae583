//! Completes the values of arguments, from what can be found without waiting.

use crate::cli::{block_on, help};
use crate::config::{Config, Instance};
use crate::ssh;
use crate::vm::{Milestone, Registry};
use crate::wait::FORMS;
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Completes VM names from the config that the command line being completed uses.
pub fn vm_names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Ok(config) = Config::load(named_config().as_deref()) else {
            return Vec::new();
        };
        let names = config.file.vms.iter().map(|vm| vm.name.clone());
        beginning_with(current, names)
    })
}

/// Completes the names of manual pages.
pub fn pages() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let verbs = help::GROUPS.iter().flat_map(|(_, verbs)| *verbs);
        verbs.chain([&"qqmgr.toml"]).map(CompletionCandidate::new).collect()
    })
}

/// Completes the conditions of `wait`.
pub fn conditions() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        if let Some(path) = current.to_str().and_then(|current| current.strip_prefix("file:")) {
            let paths = guest_paths(path).into_iter();
            return paths.map(|path| CompletionCandidate::new(format!("file:{path}"))).collect();
        }
        let words = FORMS.split([',', ' ']).filter(|word| !["", "or"].contains(word));
        let form = |word: &str| match word.split_once(':') {
            Some((kind, _)) => format!("{kind}:"),
            None => word.to_owned(),
        };
        let forms: BTreeSet<_> = words.map(form).collect();
        beginning_with(current, forms)
    })
}

/// Completes `MILESTONE=`.
pub fn milestones() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        beginning_with(current, Milestone::ALL.map(|milestone| format!("{}=", milestone.name())))
    })
}

/// Completes the second half of `REMOTE:LOCAL`.
pub fn behind_colon() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some((remote, local)) = current.to_str().and_then(|word| word.split_once(':')) else {
            return Vec::new();
        };
        let paths = PathCompleter::any().complete(OsStr::new(local)).into_iter();
        paths.map(|path| path.add_prefix(format!("{remote}:"))).collect()
    })
}

/// Completes paths in the guest, and after the first one also local paths.
pub fn remote_then_local() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let paths = current.to_str().map(guest_paths).unwrap_or_default();
        let mut candidates: Vec<_> = paths.into_iter().map(CompletionCandidate::new).collect();
        let (before, _) = super::words();
        let config = Config::load(named_config().as_deref()).ok();
        let is_first = config.is_none_or(|config| vm_of(&config, before.last()).is_some());
        if !is_first {
            candidates.extend(PathCompleter::any().stdio().complete(current));
        }
        candidates
    })
}

/// Paths in the guest of the VM that the command line names, if the guest can be asked at once.
fn guest_paths(begin: &str) -> Vec<String> {
    let Ok(config) = Config::load(named_config().as_deref()) else {
        return Vec::new();
    };
    // The first two words are the program and the verb.
    let (before, _) = super::words();
    let vm = vm_of(&config, before.iter().skip(2));
    let paths = vm.map(|vm| block_on(ssh::guest_paths(&config, &vm, begin)));
    paths.and_then(Result::ok).unwrap_or_default()
}

fn vm_of<'a>(config: &Config, words: impl IntoIterator<Item = &'a OsString>) -> Option<Instance> {
    let registry = Registry::of(config);
    words.into_iter().find_map(|word| registry.get(word.to_str()?).ok())
}

fn beginning_with(
    current: &OsStr,
    words: impl IntoIterator<Item = String>,
) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let words = words.into_iter().filter(|word| word.starts_with(&*current));
    words.map(CompletionCandidate::new).collect()
}

/// The config file that the command line being completed names, in any form of the option.
fn named_config() -> Option<PathBuf> {
    let mut args = std::env::args_os();
    while let Some(arg) = args.next() {
        let arg = arg.to_str()?;
        if arg == "-c" || arg == "--config" {
            return args.next().map(PathBuf::from);
        }
        let attached = arg.strip_prefix("--config=").or_else(|| arg.strip_prefix("-c"));
        if let Some(path) = attached {
            return Some(PathBuf::from(path));
        }
    }
    None
}
