//! `qqmgr run`.

use super::args::guest::RunArgs;
use super::stderr::wants_progress;
use super::{Context, output, progress};
use crate::Error;
use crate::console::Terminal;
use crate::run::{self, EndedBy, Job, Ran};
use std::process::ExitCode;

pub async fn run(context: &Context, args: RunArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let job = Job {
        put: args.put,
        get: args.get,
        timeout: args.timeout,
        keep_on_failure: args.keep_on_failure,
        command: args.command,
        capture: context.json,
        progress: !context.json && wants_progress(),
    };
    // Without one there is nothing to keep.
    let terminal = Terminal::keep();
    let ran = progress::shown(context, run::run(&config, &args.vm, &job)).await?;
    drop(terminal);
    if context.json {
        output::document(&ran);
    } else {
        tell(&ran);
    }
    Ok(ExitCode::from(ran.exit_code))
}

/// Says on standard error what was not the command's own doing.
fn tell(ran: &Ran) {
    match (&ran.diagnostics, &ran.message) {
        (Some((source, diagnostics)), _) => output::errors(source, diagnostics),
        (None, Some(message)) if ran.ended_by == EndedBy::Signal => output::note(message),
        (None, Some(message)) => match &ran.excerpt {
            Some(excerpt) => output::failure(format_args!("{message}\n{excerpt}")),
            None => output::failure(message),
        },
        (None, None) => {}
    }
    output::bundle(ran.bundle.as_deref(), ran.bundle_error.as_deref());
    if let Some(name) = &ran.kept {
        output::note(format_args!("kept running: qqmgr ssh {name}, then qqmgr stop {name}"));
    }
}
