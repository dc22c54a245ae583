//! `qqmgr run`.

use super::args::guest::RunArgs;
use super::junit::{Junit, Tail};
use super::quiet::wants_progress;
use super::{Context, output, progress, stdout};
use crate::Error;
use crate::config::Config;
use crate::console::Terminal;
use crate::run::{self, EndedBy, Job, Keep, Ran, Said, SerialTo};
use crate::text::sanitize::Sanitizer;
use futures_util::future::try_join;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{Receiver, channel};

/// How many pieces of the command's output can wait to be written.
const UNDERWAY: usize = 16;

pub async fn run(context: &Context, args: RunArgs) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let junit = args.junit.as_deref().map(|path| Junit::open(path, &args)).transpose()?;
    let vm = args.vm;
    let job = Job {
        put: args.put,
        get: args.get,
        timeout: args.timeout,
        keep_on_failure: args.keep_on_failure,
        command: args.command,
        capture: context.json,
        progress: !context.json && wants_progress(),
        output: None,
        keep: Keep {
            serial: args.serial.as_deref().map(serial),
            events: args.events,
            screenshot: args.screenshot,
        },
    };
    // Without a terminal there is nothing to restore.
    let terminal = Terminal::keep();
    let ran = match junit {
        Some(junit) => {
            let (ran, tail) = with_tail(context, &config, &vm, job).await;
            junit.write(&ran, tail).and(ran)
        }
        None => progress::shown_named(context, run::run(&config, &vm, &job)).await,
    };
    drop(terminal);
    let ran = ran?;
    if context.json {
        output::document(&ran);
    } else {
        tell(&ran);
    }
    Ok(ExitCode::from(ran.exit_code))
}

/// The target of the serial log: `-` is standard error, sanitised if that is a terminal.
fn serial(path: &Path) -> SerialTo {
    if path != "-" {
        return SerialTo::File(path.to_owned());
    }
    let sanitizer = io::stderr().is_terminal().then(|| Mutex::new(Sanitizer::default()));
    SerialTo::Caller(Arc::new(move |bytes| {
        let mut clean = Vec::new();
        let bytes = match &sanitizer {
            Some(sanitizer) => {
                let mut sanitizer = sanitizer.lock().unwrap_or_else(PoisonError::into_inner);
                sanitizer.push(bytes, &mut clean);
                &clean
            }
            None => bytes,
        };
        // If this fails, there is no other place to report it.
        let _ = progress::aside(|| io::stderr().write_all(bytes));
    }))
}

/// Runs the job and keeps the end of the command's output; without `--json` also passes it on.
async fn with_tail(
    context: &Context,
    config: &Config,
    vm: &str,
    mut job: Job,
) -> (Result<Ran, Error>, Tail) {
    let mut tail = Tail::default();
    let (sender, said) = channel(UNDERWAY);
    job.output = (!context.json).then_some(sender);
    let work = async move {
        let ran = progress::shown_named(context, run::run(config, vm, &job)).await;
        match &ran {
            // After a signal, the rest of the output is not awaited.
            Ok(Ran { ended_by: EndedBy::Signal, .. }) => Err(ran),
            _ => Ok(ran),
        }
    };
    let passed_on = async {
        pass_on(said, &mut tail).await;
        Ok(())
    };
    let ran = match try_join(work, passed_on).await {
        Ok((ran, ())) | Err(ran) => ran,
    };
    (ran, tail)
}

async fn pass_on(mut said: Receiver<Said>, tail: &mut Tail) {
    while let Some(said) = said.recv().await {
        match said {
            Said::Stdout(bytes) => {
                tail.push(0, &bytes);
                stdout::write_in_time(&bytes).await;
            }
            Said::Stderr(bytes) => {
                tail.push(1, &bytes);
                // If this fails, there is no other place to report it.
                let _ = tokio::io::stderr().write_all(&bytes).await;
            }
        }
    }
}

/// Prints on standard error what ended the run, if it was not the command.
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
