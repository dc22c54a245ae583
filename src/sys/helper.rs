//! Processes that outlive the command that starts them. Each is `qqmgr` again, under a name that
//! tells its job in `ps`, with the directory of its VM.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Sets the program's path, if it is not set yet; otherwise `$PATH` is searched.
pub fn program_is(path: &Path) {
    let _ = PROGRAM.set(path.to_owned());
}

/// The program: not the current executable, which may be another that uses the library.
pub fn program() -> &'static Path {
    PROGRAM.get().map_or(Path::new("qqmgr"), PathBuf::as_path)
}

/// A helper for the VM in `dir`, not started yet; it has no output unless the caller sets one.
pub fn command(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg0(name).arg(dir).current_dir("/");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
