//! `qqmgr monitor`.

use super::args::attach::MonitorArgs;
use super::{Context, console, output};
use crate::Error;
use crate::console::Port;
use crate::vm::{Control, VmDir};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

/// How long a command may take; `savevm` of a large guest takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct Answer {
    command: String,
    output: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.output.trim_end().replace("\r\n", "\n"))
    }
}

pub async fn run(context: &Context, args: MonitorArgs) -> Result<ExitCode, Error> {
    if args.command.is_empty() {
        return console::attached(context, Port::Monitor, &args.vm, args.attach).await;
    }
    let instance = context.load()?.instance(&args.vm)?;
    let not_running = || Error::NotRunning { vm: instance.name.clone() };
    let dir = VmDir::open(&instance)?.ok_or_else(not_running)?;
    let process = dir.process()?.ok_or_else(not_running)?;
    let control = Control { vm: &instance.name, dir: &dir, process: &process };
    let patience = args.attach.timeout.unwrap_or(PATIENCE);
    let command = args.command.join(" ");
    let output = control.qmp(patience, async |qmp| qmp.human_monitor_command(&command).await);
    let answer = Answer { output: output.await?, command };
    if context.json || !answer.output.is_empty() {
        output::report(&answer, context.json);
    }
    Ok(ExitCode::SUCCESS)
}
