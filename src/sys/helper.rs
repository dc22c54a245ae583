//! Processes of ours that outlive the command that starts them: `qqmgr` once more, under a name by
//! which `ps` tells what each is, with the directory of the VM that it is for.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where the program is.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Says where the program is, if nobody has; else it is looked for in `$PATH`.
pub fn program_is(path: &Path) {
    let _ = PROGRAM.set(path.to_owned());
}

/// The program: never whichever runs now, which may be another that only uses the library.
pub fn program() -> &'static Path {
    PROGRAM.get().map_or(Path::new("qqmgr"), PathBuf::as_path)
}

/// A helper for the VM in `dir`, about to be started; it says nothing unless it is given where.
pub fn command(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg0(name).arg(dir).current_dir("/");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
