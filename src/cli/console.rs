//! `qqmgr console`, and the attached session of `qqmgr monitor`.

use super::args::attach::{AttachArgs, ConsoleArgs};
use super::stdin::Stdin;
use super::supervise::ENDING;
use super::{Context, output, stdout};
use crate::Error;
use crate::config::Instance;
use crate::console::{
    self, Awaited, ConsoleError, EndedBy, Ends, EscapeKey, Failed, Hold, Port, Relay, Terminal,
};
use crate::error::{SystemError, cant};
use crate::logs::{self, Lines, Log};
use crate::sys::signals::Signals;
use crate::text::sanitize::Sanitizer;
use crate::vm;
use crate::vm::VmError;
use rustix::termios::tcgetwinsize;
use serde::Serialize;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::net::UnixStream;

/// The silence that ends a session without a terminal, if no other end is set.
const IDLE: Duration = Duration::from_secs(1);

/// How much of the log is shown at most when attaching, in bytes.
const MOST_SHOWN: u64 = 32 << 10;

/// The result of a session, for `--json`.
#[derive(Serialize)]
struct Report {
    output: String,
    ended_by: EndedBy,
}

pub async fn run(context: &Context, args: ConsoleArgs) -> Result<ExitCode, Error> {
    attached(context, Port::Serial, &args.vm, args.attach).await
}

/// Attaches standard input and output to a port until something ends it.
pub async fn attached(
    context: &Context,
    port: Port,
    vm: &str,
    args: AttachArgs,
) -> Result<ExitCode, Error> {
    let instance = context.find(vm)?.1;
    let mut signals =
        Signals::catch(&ENDING).map_err(|error| Error::from(SystemError::Runtime { error }))?;
    let hold = tokio::select! {
        hold = console::hold(&instance, port, args.force) => hold?,
        signal = signals.next() => return Ok(killed_by(signal)),
    };
    let interactive = io::stdin().is_terminal() && !context.json;
    let screen = match port {
        Port::Serial if interactive => last_screen(&instance),
        _ => Vec::new(),
    };
    let stream = tokio::select! {
        biased;
        signal = signals.next() => return ended_by(signal, &hold, port),
        stream = hold.connect() => stream?,
    };
    let AttachArgs { timeout, escape, .. } = args;
    let session = Session { instance, port, hold, stream, signals, timeout, escape, screen };
    let bare = args.until.is_none() && args.idle.is_none() && !interactive;
    let ends = Ends {
        until: args.until.map(Awaited::new),
        idle: args.idle.or(bare.then_some(IDLE)),
        timeout: args.timeout,
    };
    match (context.json, interactive) {
        (true, _) => session.into_json(ends).await,
        (_, true) => session.on_terminal(ends).await,
        (_, false) => session.into_text(ends).await,
    }
}

struct Session {
    instance: Instance,
    port: Port,
    hold: Hold,
    stream: UnixStream,
    signals: Signals,
    timeout: Option<Duration>,
    escape: EscapeKey,
    /// The guest's last output before the session.
    screen: Vec<u8>,
}

impl Session {
    async fn on_terminal(mut self, ends: Ends) -> Result<ExitCode, Error> {
        let (vm, port) = (self.instance.name.clone(), self.port);
        output::note(format_args!("attached to the {port} of {vm}; {} detaches", self.escape));
        stdout::write(&self.screen);
        let terminal = Terminal::keep();
        let raw = terminal.and_then(|terminal| terminal.make_raw().map(|()| terminal));
        let raw = raw.map_err(|error| self.failed("use the terminal", error))?;
        let escape = Some(self.escape);
        let mut relay = Relay::new(Stdin::new(), stdout::Waiting::default(), escape, ends);
        let result = loop {
            match self.relay(&mut relay).await {
                Ok(Ok(EndedBy::Break)) => match (port, self.hold.send_break().await) {
                    (Port::Monitor, _) => break Ok(Ok(EndedBy::User)),
                    (Port::Serial, Ok(())) => {}
                    (Port::Serial, Err(error)) => break Err(error),
                },
                result => break result,
            }
        };
        drop(raw);
        match result? {
            Ok(EndedBy::Eof) => output::note(format_args!("{vm}: ended")),
            Ok(EndedBy::Timeout) => return Err(self.timed_out()),
            Ok(_) => output::note(format_args!("detached from {vm}")),
            Err(code) => return Ok(code),
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn into_text(mut self, ends: Ends) -> Result<ExitCode, Error> {
        let awaits = ends.until.is_some();
        let mut relay = Relay::new(Stdin::new(), stdout::Waiting::default(), None, ends);
        if io::stdout().is_terminal() {
            relay = relay.harmless();
        }
        let result = self.relay(&mut relay).await?;
        if relay.is_in_line() {
            stdout::write(b"\n");
        }
        match result {
            Ok(by) => self.check(by, !awaits && relay.delivered()).map(|_| ExitCode::SUCCESS),
            Err(code) => Ok(code),
        }
    }

    async fn into_json(mut self, ends: Ends) -> Result<ExitCode, Error> {
        let awaits = ends.until.is_some();
        let mut relay = Relay::new(Stdin::new(), Vec::new(), None, ends);
        let ended_by = match self.relay(&mut relay).await? {
            Ok(by) => self.check(by, !awaits && relay.delivered())?,
            Err(code) => return Ok(code),
        };
        let output = String::from_utf8_lossy(&relay.into_output()).into_owned();
        output::document(&Report { output, ended_by });
        Ok(ExitCode::SUCCESS)
    }

    /// Runs the relay; returns the exit code if a signal or the reader of our output ended it.
    async fn relay<O: AsyncWrite + Unpin>(
        &mut self,
        relay: &mut Relay<Stdin, O>,
    ) -> Result<Result<EndedBy, ExitCode>, Error> {
        let result = tokio::select! {
            biased;
            signal = self.signals.next() => {
                return ended_by(signal, &self.hold, self.port).map(Err);
            }
            result = relay.run(&mut self.stream) => result,
        };
        match result {
            Ok(by) => Ok(Ok(by)),
            Err(Failed::Input(error)) => Err(cant("read", Path::new("standard input"))(error)),
            Err(Failed::Output(error)) => {
                stdout::failed(error);
                Ok(Err(ExitCode::SUCCESS))
            }
        }
    }

    /// Whether a session without a terminal ended properly: the VM may end after it has read all
    /// input (`echo poweroff | qqmgr console ...`).
    fn check(&self, by: EndedBy, may_end: bool) -> Result<EndedBy, Error> {
        match by {
            EndedBy::Eof if !may_end => Err(vm::died(&self.instance)),
            EndedBy::Timeout => Err(self.timed_out()),
            by => Ok(by),
        }
    }

    fn timed_out(&self) -> Error {
        let waited = self.timeout.unwrap_or_default();
        ConsoleError::TimedOut { vm: self.instance.name.clone(), port: self.port, waited }.into()
    }

    fn failed(&self, action: &'static str, error: io::Error) -> Error {
        Error::from(VmError::System { vm: self.instance.name.clone(), action, error })
    }
}

/// The guest's last lines, as many as fit below our first line.
fn last_screen(instance: &Instance) -> Vec<u8> {
    let size = tcgetwinsize(io::stdout()).ok();
    let rows = size.map_or(24, |size| u64::from(size.ws_row));
    // The session also works without the past output, so errors are ignored.
    let read = || -> Option<Vec<u8>> {
        let lines = Lines::Last(rows.saturating_sub(2));
        let mut log = logs::open(instance, Log::Serial, lines).ok()?;
        let begin = log.metadata().ok()?.len().saturating_sub(MOST_SHOWN);
        let begin = begin.max(log.stream_position().ok()?);
        log.seek(SeekFrom::Start(begin)).ok()?;
        let mut bytes = Vec::new();
        log.take(MOST_SHOWN).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    let mut screen = Vec::new();
    let mut sanitizer = Sanitizer::default();
    sanitizer.push(&read().unwrap_or_default(), &mut screen);
    sanitizer.finish(&mut screen);
    screen
}

/// The error or exit code for a signal to the process that has the port.
fn ended_by(signal: i32, hold: &Hold, port: Port) -> Result<ExitCode, Error> {
    let Some(pid) = hold.successor() else { return Ok(killed_by(signal)) };
    Err(ConsoleError::Taken { vm: hold.vm.name.clone(), port, pid }.into())
}

/// The code that a shell reports for a program that a signal ended.
fn killed_by(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}
