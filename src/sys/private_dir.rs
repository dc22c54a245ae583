//! Directories that only the user can access: makes them, or refuses others.

use crate::Error;
use crate::error::{SystemError, cant};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a directory of mode 0700 if the path does not exist; returns whether it did that.
///
/// # Errors
/// It can't be made.
pub fn make(path: &Path) -> Result<bool, Error> {
    match try_make(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true).map_err(cant("make", path)),
    }
}

/// Makes a directory as [`make`] does, and its missing parents.
///
/// # Errors
/// One of them can't be made.
pub fn make_all(path: &Path) -> Result<bool, Error> {
    if path.is_dir() {
        return Ok(false);
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map(|()| true).map_err(cant("make", path))
}

/// Makes a directory of mode 0700.
///
/// # Errors
/// The path exists already, or the directory can't be made.
pub fn make_new(path: &Path) -> Result<(), Error> {
    try_make(path).map_err(cant("make", path))
}

fn try_make(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

/// Opens a directory and makes it private; `None` if the path does not exist.
///
/// # Errors
/// It is a symlink or not a directory, or belongs to another user.
pub fn open(path: &Path) -> Result<Option<OwnedFd>, Error> {
    let refused =
        |reason: String| Error::from(SystemError::UnsafeDir { path: path.to_owned(), reason });
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
            return Err(refused("is a symlink, or not a directory".into()));
        }
        Err(error) => return Err(cant("open", path)(error.into())),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| cant("read", path)(error.into()))?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(refused(format!("belongs to another user (id {})", stat.st_uid)));
    }
    if Mode::from_raw_mode(stat.st_mode) != Mode::RWXU {
        rustix::fs::fchmod(&fd, Mode::RWXU)
            .map_err(|error| cant("close to others", path)(error.into()))?;
    }
    Ok(Some(fd))
}
