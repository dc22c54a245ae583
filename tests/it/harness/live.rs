//! A program that a test watches and types to while it runs, at a terminal or through pipes.

use super::processes::until;
use nix::sys::signal::{self, SigHandler};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

pub struct Live {
    child: Child,
    input: Option<File>,
    output: Arc<Mutex<Vec<u8>>>,
    seen: usize,
}

impl Live {
    /// Runs it at a new terminal of 80 by 24, which also controls it.
    pub fn at_terminal(mut command: Command) -> Live {
        let ours: File = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap().into();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_bytes();
        let name = std::ffi::OsString::from_vec(name);
        let theirs = File::options().read(true).write(true).open(name).unwrap();
        for set in [Command::stdin, Command::stdout, Command::stderr] {
            set(&mut command, Stdio::from(theirs.try_clone().unwrap()));
        }
        // SAFETY: between fork and exec it only makes two system calls.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
            })
        };
        heeds_signals(&mut command);
        let child = command.spawn().unwrap();
        Live::new(child, ours.try_clone().unwrap(), Some(ours))
    }

    /// Runs it with its standard output in a pipe.
    pub fn in_pipe(mut command: Command) -> Live {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        heeds_signals(&mut command);
        let mut child = command.spawn().unwrap();
        let stdout = std::os::fd::OwnedFd::from(child.stdout.take().unwrap());
        Live::new(child, stdout.into(), None)
    }

    fn new(child: Child, mut from: File, input: Option<File>) -> Live {
        let output = Arc::new(Mutex::new(Vec::new()));
        let sink = output.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Live { child, input, output, seen: 0 }
    }

    pub fn types(&mut self, keys: &str) -> &mut Live {
        self.input.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Waits until it has written this, after the text of the last wait.
    #[track_caller]
    pub fn shows(&mut self, text: &str) -> &mut Live {
        let seen = self.seen;
        let found = || {
            let output = self.output.lock().unwrap();
            let new = &output[seen..];
            new.windows(text.len()).position(|window| window == text.as_bytes())
        };
        let wanted = format!("{text:?} after {:?}", self.text().get(seen..));
        let at = until(&wanted, found);
        self.seen += at + text.len();
        self
    }

    /// Everything that it has written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap()).into_owned()
    }

    /// Stops reading its output and types these keys, until its terminal is full; it stays full.
    pub fn unread(&mut self, keys: &str) {
        // The reader waits for this lock, which is never released, and reads no more.
        std::mem::forget(self.output.lock().unwrap());
        let terminal = File::options().write(true).open(format!("/proc/{}/fd/1", self.pid()));
        let terminal = terminal.unwrap();
        // While the program writes, it is not writable either, but only for a moment.
        let moment = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
        until("the terminal is full", || {
            self.types(keys);
            let mut writable = [PollFd::new(&terminal, PollFlags::OUT)];
            (poll(&mut writable, Some(&moment)) == Ok(0)).then_some(())
        });
    }

    /// Whether its terminal passes every key unchanged.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(self.input.as_ref().unwrap()).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The peak of its memory, in kB.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        most.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        // Nothing has waited for it yet, so its pid is not reused.
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it ends, and returns its exit code.
    #[track_caller]
    pub fn ends(&mut self) -> i32 {
        let status = until("its end", || self.child.try_wait().unwrap());
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a program start with the signals of a terminal, even if the tests run under nohup or in a
/// script's background.
fn heeds_signals(command: &mut Command) {
    // SAFETY: between fork and exec it only makes two system calls.
    unsafe {
        command.pre_exec(|| {
            for kind in [signal::SIGHUP, signal::SIGINT, signal::SIGQUIT] {
                signal::signal(kind, SigHandler::SigDfl)?;
            }
            Ok(())
        })
    };
}
