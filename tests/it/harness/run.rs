//! Runs a program in a clean environment and within a bounded time.

use super::live::Live;
use super::outcome::Outcome;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Far more than any test needs, even while all other tests keep the machine busy.
const PATIENCE: Duration = Duration::from_mins(3);

/// A program that is about to run.
pub struct Run {
    lab: PathBuf,
    command: Command,
    stdin: Vec<u8>,
}

/// Output that is still growing, and a message when it ends.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Run {
    pub fn new(lab: &Path, program: &OsStr) -> Run {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("LC_ALL", "C.UTF-8");
        command.env("HOME", lab.join("home")).env("XDG_RUNTIME_DIR", lab.join("run"));
        command.current_dir(lab);
        Run { lab: lab.to_owned(), command, stdin: Vec::new() }
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Run {
        self.command.args(args.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Run {
        self.command.current_dir(self.lab.join(dir));
        self
    }

    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Run {
        self.stdin = bytes.into();
        self
    }

    /// Starts it in the background, and drops its output.
    pub fn spawn(mut self) -> Child {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.command.spawn().unwrap()
    }

    /// Starts it with a pipe that keeps its standard input open.
    pub fn pipe(mut self) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.command.spawn().unwrap()
    }

    /// Starts it with this standard input and output.
    pub fn with(mut self, stdin: impl Into<Stdio>, stdout: impl Into<Stdio>) -> Child {
        self.command.stdin(stdin).stdout(stdout).stderr(Stdio::null());
        self.command.spawn().unwrap()
    }

    /// Starts it at its own terminal.
    pub fn at_terminal(self) -> Live {
        Live::at_terminal(self.command)
    }

    /// Starts it with its standard output in a pipe that is read as it fills.
    pub fn in_pipe(self) -> Live {
        Live::in_pipe(self.command)
    }

    /// Runs it until it ends and its output is closed: a process that it leaves behind must not
    /// keep that open.
    pub fn run(mut self) -> Outcome {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{self:?}: {error}"));
        let (mut stdin, bytes) = (child.stdin.take().unwrap(), std::mem::take(&mut self.stdin));
        // The program may ignore it.
        std::thread::spawn(move || stdin.write_all(&bytes));
        let stdout = Stream::of(child.stdout.take().unwrap());
        let stderr = Stream::of(child.stderr.take().unwrap());
        let deadline = started + PATIENCE;
        let ended = stdout.ends_by(deadline) && stderr.ends_by(deadline);
        if !ended {
            let _ = child.kill();
        }
        let status = child.wait().unwrap();
        let outcome = Outcome {
            command: format!("{self:?}"),
            lab: self.lab,
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: stdout.take(),
            stderr: stderr.take(),
        };
        assert!(ended, "not done within {PATIENCE:?}\n{outcome}");
        outcome
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        f.write_str(&words.join(" "))
    }
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Stream {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (ended, end) = channel();
        let sink = bytes.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
            let _ = ended.send(());
        });
        Stream { bytes, end }
    }

    fn ends_by(&self, deadline: Instant) -> bool {
        self.end.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
    }

    fn take(self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes.lock().unwrap())
    }
}
