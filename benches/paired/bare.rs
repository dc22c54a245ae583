//! The bare exchange that `status` is measured against: a process in the same language, which sends
//! and reads only the four lines that QMP needs.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};

/// The argument that makes this program do the bare exchange and nothing else.
const ARGUMENT: &str = "--bare-query-status";

/// The socket, if this process was started for the bare exchange.
pub fn asked_for() -> Option<OsString> {
    let mut args = std::env::args_os().skip(1);
    args.next().filter(|arg| arg == ARGUMENT)?;
    args.next()
}

/// A process that does the bare exchange.
pub fn command(socket: &std::path::Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ARGUMENT).arg(socket);
    Ok(command)
}

/// Connects, greets, asks, prints.
pub fn run(socket: &OsString) -> ExitCode {
    match exchange(socket) {
        Ok(answer) => {
            print!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", socket.display());
            ExitCode::FAILURE
        }
    }
}

fn exchange(socket: &OsString) -> io::Result<String> {
    let mut stream = BufReader::new(UnixStream::connect(socket)?);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    for request in ["qmp_capabilities", "query-status"] {
        write!(stream.get_mut(), "{{\"execute\":\"{request}\"}}\r\n")?;
        line.clear();
        stream.read_line(&mut line)?;
    }
    Ok(line)
}
