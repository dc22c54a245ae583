//! Shows a page on a terminal: with man, or else as plain text in the user's pager.

use crate::Error;
use crate::cli::output;
use crate::error::SystemError;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Replaces this process with a program that shows the page; if there is none, prints the text.
pub fn on_terminal(roff: &str, plain: &str) -> Result<(), Error> {
    let mut man = Command::new("man");
    man.args(["-l", "-"]);
    unless_missing(man, roff)?;
    // $PAGER may be a command line with options.
    let pager = std::env::var_os("PAGER").filter(|pager| !pager.is_empty());
    if let Some(pager) = pager {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(pager);
        unless_missing(shell, plain)?;
    }
    unless_missing(Command::new("less"), plain)?;
    output::text(plain.trim_end());
    Ok(())
}

/// Replaces this process with the program, with the text as its input, if the program exists.
fn unless_missing(mut program: Command, text: &str) -> Result<(), Error> {
    let input = input(text).map_err(|error| SystemError::Runtime { error })?;
    let error = program.stdin(input).exec();
    if error.kind() == io::ErrorKind::NotFound {
        return Ok(());
    }
    let program = program.get_program().to_string_lossy().into_owned();
    Err(SystemError::Spawn { program, error, place: None }.into())
}

/// The text in a file without a name: after the exec, this process could not remove a named one.
fn input(text: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create("page", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
