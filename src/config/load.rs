//! Finds the config file and reads it: all I/O of the config is here.

use super::Error;
use crate::text::source::{Diagnostic, Source};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;
use std::sync::Arc;

/// The name of a config file.
pub const FILE_NAME: &str = "qqmgr.toml";

/// The mode bits of a directory: everybody may write in it, and only a file's owner may replace the
/// file (inode(7)).
const WRITE_FOR_OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Some editors put this at the start of a UTF-8 file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The config file to use: `explicit`, else `$QQMGR_CONFIG`, else the nearest `qqmgr.toml`
/// from the current directory up, else `$XDG_CONFIG_HOME/qqmgr/conf.toml`.
///
/// # Errors
/// There is none, another user may have put it there, or the current directory is gone.
pub(super) fn find(explicit: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(path) = explicit {
        return Ok(path.to_owned());
    }
    if let Some(path) = std::env::var_os("QQMGR_CONFIG").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let current = std::env::current_dir().map_err(Error::CurrentDir)?;
    let nearest = current.ancestors().map(|dir| dir.join(FILE_NAME)).find(|path| path.is_file());
    if let Some(path) = &nearest {
        trust(path)?;
    }
    let users = || user_file().filter(|path| path.is_file());
    nearest.or_else(users).ok_or(Error::NotFound { from: current, user_file: user_file() })
}

/// Refuses a file that the search found if another user could have put it there: it names the
/// programs to run.
fn trust(path: &Path) -> Result<(), Error> {
    let unreadable = |error| Error::Unreadable { path: path.to_owned(), error };
    let file = path.canonicalize().map_err(unreadable)?;
    let owner = file.metadata().map_err(unreadable)?.uid();
    let dir = file.parent().unwrap_or(Path::new("/")).metadata().map_err(unreadable)?;
    let is_open = dir.mode() & WRITE_FOR_OTHERS != 0 && dir.mode() & STICKY == 0;
    let reason = match owner {
        _ if is_open => "other users can write to its directory".to_owned(),
        0 => return Ok(()),
        owner if owner == rustix::process::geteuid().as_raw() => return Ok(()),
        owner => format!("it belongs to another user (id {owner})"),
    };
    Err(Error::Foreign { path: path.to_owned(), reason })
}

/// The user's own config file, which is used if the search finds no other.
pub(super) fn user_file() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config_home =
        absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config_home.join("qqmgr/conf.toml"))
}

/// Reads the file at `path`.
///
/// # Errors
/// It can't be read, or is not UTF-8 text.
pub(super) fn read(path: &Path) -> Result<Source, Error> {
    let unreadable = |error| Error::Unreadable { path: path.to_owned(), error };
    let path = path.canonicalize().map_err(unreadable)?;
    // QEMU's options and ssh's config contain this path, and are text.
    if path.to_str().is_none() {
        return Err(unreadable(io::Error::other("its path is not UTF-8")));
    }
    match String::from_utf8(std::fs::read(&path).map_err(unreadable)?) {
        Ok(mut text) => {
            if text.starts_with(BYTE_ORDER_MARK) {
                // No editor shows it, so it does not count as a column.
                text.drain(..BYTE_ORDER_MARK.len_utf8());
            }
            Ok(Source { path, text })
        }
        Err(error) => Err(not_utf8(path, &error)),
    }
}

/// Points at the first byte that is not UTF-8.
fn not_utf8(path: PathBuf, error: &FromUtf8Error) -> Error {
    let at = error.utf8_error().valid_up_to();
    let byte = error.as_bytes().get(at).copied().unwrap_or_default();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let shown = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
    let message = format!("the file is not UTF-8 from here: 0x{byte:02x}");
    let diagnostic = Diagnostic::new(shown, message).hint("save it as UTF-8");
    let source_file = Arc::new(Source { path, text });
    Error::Invalid { source_file, diagnostics: vec![diagnostic] }
}
