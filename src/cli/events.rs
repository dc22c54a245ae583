//! `qqmgr events`.

use super::args::view::EventsArgs;
use super::{Context, output, stdout};
use crate::events::{self, EventStream, Filter};
use crate::qmp::Event;
use crate::vm::{self, VmDir};
use crate::{Error, deadline};
use std::process::ExitCode;
use std::time::Duration;

pub async fn run(context: &Context, args: EventsArgs) -> Result<ExitCode, Error> {
    let deadline = args.timeout.map(deadline::within);
    let instance = context.load()?.instance(&args.vm)?;
    let mut stream = events::subscribe(&instance).await?;
    for name in &args.filter {
        if let Some(nearest) = events::nearest_name(name)
            && !context.json
        {
            let unknown = format_args!("QEMU documents no event `{name}`");
            output::note(format_args!("note: {unknown}; did you mean `{nearest}`?"));
        }
    }
    let mut shown = Shown { filter: Filter::new(&args.filter), json: context.json, count: 0 };
    let end = tokio::select! {
        biased;
        end = shown.all(&mut stream, args.count) => end?,
        () = deadline::at(deadline) => {
            stdout::give_up();
            End::Timeout
        }
        () = stdout::reader_left() => End::Enough,
    };
    let (vm, seen) = (args.vm, shown.count);
    match (end, args.count, args.timeout) {
        (End::Timeout, Some(wanted), Some(waited)) => {
            Err(Error::EventsTimeout { vm, seen, wanted, waited })
        }
        (End::Vm, Some(_), _) => {
            let stderr = VmDir::open(&instance)?.map(|dir| vm::last_words(&dir));
            Err(Error::Died { vm, stderr: stderr.unwrap_or_default() })
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Why there is nothing more to show.
enum End {
    Enough,
    Vm,
    Timeout,
}

/// What is shown of the events, and how.
struct Shown {
    filter: Filter,
    json: bool,
    count: u64,
}

impl Shown {
    async fn all(&mut self, stream: &mut EventStream, count: Option<u64>) -> Result<End, Error> {
        loop {
            let event = match stream.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(End::Vm),
                // It's told where it happened, and the stream goes on.
                Err(error @ Error::EventsLost { .. }) => {
                    self.tell(&error).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !self.filter.matches(&event.name) {
                continue;
            }
            if !self.show(&event).await {
                return Ok(End::Enough);
            }
            self.count += 1;
            if count == Some(self.count) {
                return Ok(End::Enough);
            }
        }
    }

    async fn show(&self, event: &Event) -> bool {
        let text = || output::line(line(event));
        put(if self.json { output::json_line(event) } else { Some(text()) }).await
    }

    async fn tell(&self, error: &Error) {
        match self.json {
            true => drop(put(output::json_error(error)).await),
            false => output::error(error, false),
        }
    }
}

async fn put(line: Option<Vec<u8>>) -> bool {
    match line {
        Some(line) => stdout::write_in_time(&line).await,
        None => false,
    }
}

/// `2026-03-01 14:03:05.123 STOP`, with the data where there is some.
fn line(event: &Event) -> String {
    let time = time(event).unwrap_or_else(|| "-".to_owned());
    let data = if event.data.is_null() { String::new() } else { format!(" {}", event.data) };
    // Names and data may be the guest's.
    vm::harmless(format!("{time} {}{data}", event.name).as_bytes())
}

/// When it happened, in local time; QEMU may not know (-1).
fn time(event: &Event) -> Option<String> {
    let since_epoch = Duration::new(u64::try_from(event.timestamp.seconds).ok()?, 0);
    let millis = u32::try_from(event.timestamp.microseconds).ok()? / 1000;
    Some(format!("{}.{millis:03}", output::local_time(since_epoch)?))
}
