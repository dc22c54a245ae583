//! Files that appear whole or not at all.

use super::destination;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a file. Until it is complete, an older one stays as it is; what is no regular file, such
/// as a FIFO, is written to.
///
/// # Errors
/// It can't be written.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Its messages name no other file, as tempfile's do.
    destination::writable(path, false)?;
    // The target of a link is replaced, not the link.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if path.exists() && !path.is_file() {
        return std::fs::write(path, bytes);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().prefix(".qqmgr").permissions(mode).tempfile_in(dir)?;
    file.as_file_mut().write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
