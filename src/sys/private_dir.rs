//! Directories that only the user can access: makes them, or refuses others.

use crate::Error;
use crate::error::{SystemError, cant};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

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
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
            return Err(refused(path, "is a symlink, or not a directory".into()));
        }
        Err(rustix::io::Errno::ACCESS) if let Some((dir, owner)) = of_another(path) => {
            return Err(belongs(&dir, owner));
        }
        Err(error) => return Err(cant("open", path)(error.into())),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| cant("read", path)(error.into()))?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(belongs(path, stat.st_uid));
    }
    if Mode::from_raw_mode(stat.st_mode) != Mode::RWXU {
        rustix::fs::fchmod(&fd, Mode::RWXU)
            .map_err(|error| cant("close to others", path)(error.into()))?;
    }
    Ok(Some(fd))
}

/// The error for a directory that this user can't read: the owner, if that is another user.
pub fn unreadable(path: &Path) -> impl Fn(io::Error) -> Error + Copy {
    move |error| match of_another(path) {
        Some((dir, owner)) if error.kind() == io::ErrorKind::PermissionDenied => {
            belongs(&dir, owner)
        }
        _ => cant("read", path)(error),
    }
}

/// The path, or the nearest directory above it that this user can see, if another user owns it.
fn of_another(path: &Path) -> Option<(PathBuf, u32)> {
    let seen = |dir: &Path| Some((dir.to_owned(), dir.symlink_metadata().ok()?.uid()));
    let (dir, owner) = path.ancestors().find_map(seen)?;
    (owner != rustix::process::geteuid().as_raw()).then_some((dir, owner))
}

fn belongs(path: &Path, owner: u32) -> Error {
    refused(path, format!("belongs to another user (id {owner})"))
}

fn refused(path: &Path, reason: String) -> Error {
    SystemError::UnsafeDir { path: path.to_owned(), reason }.into()
}
