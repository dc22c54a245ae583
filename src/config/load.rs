//! Finds the config file and reads it: the only I/O that the config does.

use super::Error;
use super::source::Source;
use std::path::{Path, PathBuf};

/// What a config file is called.
pub const FILE_NAME: &str = "qqmgr.toml";

/// What the runtime directory beside it is called, which is qqmgr's own.
pub const RUNTIME_DIR: &str = ".qqmgr";

/// The config file to use: `explicit`, else `$QQMGR_CONFIG`, else the nearest `qqmgr.toml`
/// from the current directory up, else `$XDG_CONFIG_HOME/qqmgr/conf.toml`.
///
/// # Errors
/// There is none, or the current directory is gone.
pub(super) fn find(explicit: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(path) = explicit {
        return Ok(path.to_owned());
    }
    if let Some(path) = std::env::var_os("QQMGR_CONFIG").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let current = std::env::current_dir().map_err(Error::CurrentDir)?;
    let nearest = current.ancestors().map(|dir| dir.join(FILE_NAME)).find(|path| path.is_file());
    let users = || user_file().filter(|path| path.is_file());
    nearest.or_else(users).ok_or(Error::NotFound { from: current, user_file: user_file() })
}

fn user_file() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config_home =
        absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config_home.join("qqmgr/conf.toml"))
}

/// Reads the file at `path`.
///
/// # Errors
/// It can't be read, or is no UTF-8 text.
pub(super) fn read(path: &Path) -> Result<Source, Error> {
    let unreadable = |error| Error::Unreadable { path: path.to_owned(), error };
    let path = path.canonicalize().map_err(unreadable)?;
    let text = std::fs::read_to_string(&path).map_err(unreadable)?;
    Ok(Source { path, text })
}

/// The directory that holds the file, and the one for what lives while VMs run.
///
/// A function of the file's canonical path alone, so that a VM has one identity.
pub(super) fn directories(path: &Path) -> (PathBuf, PathBuf) {
    let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
    let runtime = match path.file_name() {
        Some(name) if name == FILE_NAME => dir.join(RUNTIME_DIR),
        _ => dir.clone(),
    };
    (dir, runtime)
}
