//! Finds the runtime directory of a config file: the parent of its VMs' directories.

use super::file::File;
use super::load::{FILE_NAME, user_file};
use super::lookup;
use super::{Diagnostic, Error, Text};
use crate::text::source::Source;
use crate::text::template::{self, Piece};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the runtime directory beside a config file.
pub const RUNTIME_DIR: &str = ".qqmgr";

/// The environment variable that names another runtime directory.
pub const VARIABLE: &str = "QQMGR_RUNTIME_DIR";

/// The runtime directory, now and in earlier versions.
pub(super) struct Runtime {
    /// The parent of the VMs' directories.
    pub dir: PathBuf,
    /// Where an earlier qqmgr would put them, if that is another place.
    pub earlier: Option<PathBuf>,
}

/// The runtime directory of a config file in `dir`: the one that the environment names, else that
/// of the file's key. Otherwise it follows from the file's canonical path alone, so a VM has one
/// identity.
///
/// # Errors
/// The variable or the key has no valid path.
pub(super) fn of(file: &File, dir: &Path) -> Result<Runtime, Error> {
    let given = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(given) = given {
        return match given.to_str() {
            Some(_) if given.is_absolute() => Ok(Runtime { dir: given, earlier: None }),
            _ => Err(Error::RuntimeDir { path: given }),
        };
    }
    if let Some(text) = &file.runtime_dir {
        return Ok(Runtime { dir: dir.join(expand(&file.source, text, dir)?), earlier: None });
    }
    let path = &file.source.path;
    if path.ends_with(FILE_NAME) {
        return Ok(Runtime { dir: dir.join(RUNTIME_DIR), earlier: None });
    }
    let new = users_dir(path).unwrap_or_else(|| dir.join(RUNTIME_DIR));
    let earlier = (new != dir).then(|| dir.to_owned());
    Ok(Runtime { dir: new, earlier })
}

/// The directory of the user's own config file, if `path` is that file or the target of its link.
fn users_dir(path: &Path) -> Option<PathBuf> {
    let users = user_file()?;
    let is_it = users.canonicalize().is_ok_and(|users| users == path);
    users.parent().filter(|_| is_it)?.canonicalize().ok()
}

/// Expands the variables of `runtime_dir`. It belongs to no VM, so only two kinds are possible.
fn expand(source: &Arc<Source>, text: &Text, dir: &Path) -> Result<String, Error> {
    let (pieces, errors) = template::scan(&text.value);
    let complain = |range: &Range<usize>, message, hint| Diagnostic {
        span: source.within(text, range),
        message,
        hint,
    };
    let mut diagnostics: Vec<_> =
        errors.into_iter().map(|error| complain(&error.range, error.message, error.hint)).collect();
    let mut expanded = String::new();
    for piece in &pieces {
        match piece {
            Piece::Text(text) => expanded.push_str(text),
            Piece::Var(path, range) => {
                let keys: Vec<_> = path.0.iter().map(String::as_str).collect();
                let value = match keys.as_slice() {
                    ["config_dir"] => Ok(dir.display().to_string()),
                    ["env", name] => lookup::environment(name),
                    _ => Err((
                        format!("`runtime_dir` can't use `{{{{{path}}}}}`"),
                        Some("use {{.config_dir}} or {{.env.NAME}}".to_owned()),
                    )),
                };
                match value {
                    Ok(value) => expanded.push_str(&value),
                    Err((message, hint)) => diagnostics.push(complain(range, message, hint)),
                }
            }
        }
    }
    match diagnostics.is_empty() {
        true => Ok(expanded),
        false => Err(Error::Invalid { source_file: source.clone(), diagnostics }),
    }
}
