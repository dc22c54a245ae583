//! `qqmgr console`, and the attached session of `qqmgr monitor`.

use super::args::attach::{AttachArgs, ConsoleArgs};
use super::{Context, output, stdout};
use crate::Error;
use crate::config::Instance;
use crate::console::{
    self, Awaited, ConsoleError, EndedBy, Ends, Failed, Hold, Port, Relay, Terminal,
};
use crate::error::{SystemError, cant};
use crate::sys::signals::Signals;
use crate::vm;
use crate::vm::VmError;
use serde::Serialize;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::net::UnixStream;
use tokio::signal::unix::SignalKind;

/// How long a silence ends a session without a terminal, if nothing else is asked for.
const IDLE: Duration = Duration::from_secs(1);

/// What came of a session, for `--json`.
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
    let kinds = [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::terminate(),
    ];
    let mut signals =
        Signals::catch(&kinds).map_err(|error| Error::from(SystemError::Runtime { error }))?;
    let hold = tokio::select! {
        hold = console::hold(&instance, port, args.force) => hold?,
        signal = signals.next() => return Ok(killed_by(signal)),
    };
    let stream = tokio::select! {
        biased;
        signal = signals.next() => return ended_by(signal, &hold, port),
        stream = hold.connect() => stream?,
    };
    let session = Session { instance, port, hold, stream, signals, timeout: args.timeout };
    let interactive = io::stdin().is_terminal() && !context.json;
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
}

impl Session {
    async fn on_terminal(mut self, ends: Ends) -> Result<ExitCode, Error> {
        let (vm, port) = (self.instance.name.clone(), self.port);
        output::note(format_args!("{vm}: attached to its {port}; Ctrl-] leaves"));
        let terminal = Terminal::keep();
        let raw = terminal.and_then(|terminal| terminal.make_raw().map(|()| terminal));
        let raw = raw.map_err(|error| self.failed("use the terminal", error))?;
        let mut relay = Relay::new(tokio::io::stdin(), tokio::io::stdout(), true, ends);
        let result = self.relay(&mut relay).await;
        drop(raw);
        match result? {
            Ok(EndedBy::Eof) => output::note(format_args!("{vm}: has ended")),
            Ok(EndedBy::Timeout) => return Err(self.timed_out()),
            Ok(_) => output::note(format_args!("{vm}: left its {port}")),
            Err(code) => return Ok(code),
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn into_text(mut self, ends: Ends) -> Result<ExitCode, Error> {
        let awaits = ends.until.is_some();
        let mut relay = Relay::new(tokio::io::stdin(), tokio::io::stdout(), false, ends);
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
        let mut relay = Relay::new(tokio::io::stdin(), Vec::new(), false, ends);
        let ended_by = match self.relay(&mut relay).await? {
            Ok(by) => self.check(by, !awaits && relay.delivered())?,
            Err(code) => return Ok(code),
        };
        let output = String::from_utf8_lossy(&relay.into_output()).into_owned();
        output::document(&Report { output, ended_by });
        Ok(ExitCode::SUCCESS)
    }

    /// Runs the relay; the exit code when a signal, or whoever read our output, ended it.
    async fn relay<O: AsyncWrite + Unpin>(
        &mut self,
        relay: &mut Relay<tokio::io::Stdin, O>,
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

    /// Whether a session without a terminal ended as it should: a VM that is done with all that
    /// it was told may end (`echo poweroff | qqmgr console ...`).
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

/// What it means that this signal came to whoever has the port.
fn ended_by(signal: i32, hold: &Hold, port: Port) -> Result<ExitCode, Error> {
    let Some(pid) = hold.successor() else { return Ok(killed_by(signal)) };
    Err(ConsoleError::Taken { vm: hold.vm.name.clone(), port, pid }.into())
}

/// The code by which a shell tells that a signal ended a program.
fn killed_by(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}
