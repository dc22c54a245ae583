//! Checks where a file will be written, before the long work that makes it.

use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// Checks that a file or directory can be written at `path`.
///
/// # Errors
/// It can't, or is no directory although it `has_to_be_dir`.
pub fn writable(path: &Path, has_to_be_dir: bool) -> io::Result<()> {
    let entries = Access::WRITE_OK | Access::EXEC_OK;
    let (path, wanted) = match path.metadata() {
        Ok(found) if found.is_dir() => (path, entries),
        Ok(_) if has_to_be_dir => return Err(Errno::NOTDIR.into()),
        Ok(_) => (path, Access::WRITE_OK),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !has_to_be_dir => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            (parent.unwrap_or(Path::new(".")), entries)
        }
        Err(error) => return Err(error),
    };
    Ok(access(path, wanted)?)
}
