//! `qqmgr monitor`: sends commands through QMP, which also works while a session is attached.

use super::args::attach::MonitorArgs;
use super::stdin::Stdin;
use super::{Context, console, output};
use crate::Error;
use crate::console::{ConsoleError, Port};
use crate::error::{Usage, cant};
use crate::qmp::Client;
use crate::text::sanitize::Sanitizer;
use crate::vm::{self, Running, VmError};
use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

/// How long a command may take; `savevm` of a large guest takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct Answer {
    command: String,
    output: String,
}

impl fmt::Display for Answer {
    /// The output may contain text from the guest, so it is sanitised for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.output.trim_end().replace("\r\n", "\n");
        let mut clean = Vec::new();
        Sanitizer::plain().push(text.as_bytes(), &mut clean);
        f.write_str(&String::from_utf8_lossy(&clean))
    }
}

impl Answer {
    /// Prints the output; false if that failed.
    fn show(&self, json: bool) -> bool {
        !json && self.output.is_empty() || output::report(self, json)
    }
}

pub async fn run(context: &Context, args: MonitorArgs) -> Result<ExitCode, Error> {
    let by_hand = io::stdin().is_terminal() && !context.json;
    if args.command.is_empty() && by_hand {
        return console::attached(context, Port::Monitor, &args.vm, args.attach).await;
    }
    if args.attach.force || args.attach.until.is_some() || args.attach.idle.is_some() {
        let message = "--force, --until and --idle need a session on a terminal".to_owned();
        return Err(Usage { message, hint: None }.into());
    }
    let instance = context.find(&args.vm)?.1;
    let vm = vm::running(&instance)?;
    let patience = args.attach.timeout.unwrap_or(PATIENCE);
    let monitor = Monitor { vm, patience };
    if args.command.is_empty() {
        return monitor.script(context.json).await;
    }
    monitor.answer(args.command.join(" ")).await?.show(context.json);
    Ok(ExitCode::SUCCESS)
}

struct Monitor {
    vm: Running,
    patience: Duration,
}

impl Monitor {
    /// Runs the commands on standard input, one a line, and shows each answer as it comes.
    async fn script(&self, json: bool) -> Result<ExitCode, Error> {
        let unreadable = cant("read", Path::new("standard input"));
        let mut input = BufReader::new(Stdin::new());
        let mut line = Vec::new();
        let mut code = ExitCode::SUCCESS;
        while input.read_until(b'\n', &mut line).await.map_err(unreadable)? > 0 {
            let command = String::from_utf8_lossy(&line).trim().to_owned();
            line.clear();
            if command.is_empty() {
                continue;
            }
            match self.answer(command).await {
                Ok(answer) if answer.show(json) => {}
                Ok(_) => break,
                // As in a shell, the next commands still run.
                Err(error) if matches!(error.get(), Some(ConsoleError::UnknownCommand { .. })) => {
                    output::error(&error, json);
                    code = ExitCode::FAILURE;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(code)
    }

    async fn answer(&self, command: String) -> Result<Answer, Error> {
        let vm = self.vm.name.clone();
        let exchange = async |qmp: &mut Client| qmp.human_monitor_command(&command).await;
        let output = match self.vm.qmp(self.patience, exchange).await {
            // The previous command may have ended the VM: QEMU answers `quit` before it exits.
            Err(_) if self.vm.process.has_ended() => {
                return Err(VmError::NotRunning { vm, ended: None }.into());
            }
            output => output?,
        };
        match (Answer { command, output }) {
            Answer { command, output } if is_unknown(&command, &output) => {
                Err(ConsoleError::UnknownCommand { vm, command }.into())
            }
            answer => Ok(answer),
        }
    }
}

/// Whether QEMU says that the command does not exist: it repeats the part of the line that it took
/// for a command.
fn is_unknown(command: &str, output: &str) -> bool {
    let name = output.trim_end().strip_prefix("unknown command: '");
    let name = name.and_then(|name| name.strip_suffix('\''));
    name.is_some_and(|name| command.trim_start().starts_with(name))
}
