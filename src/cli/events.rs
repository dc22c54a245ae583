//! `qqmgr events`: prints a VM's events.

use super::args::view::EventsArgs;
use super::{Context, output, stdout};
use crate::config::Instance;
use crate::events::{self, EventStream, EventsError, Filter, Told};
use crate::qmp::Event;
use crate::sys::deadline;
use crate::text::sanitize::harmless;
use crate::{Error, vm};
use serde_json::json;
use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

/// How long QEMU may take to list its events.
const PATIENCE: Duration = Duration::from_secs(1);

pub async fn run(context: &Context, args: EventsArgs) -> Result<ExitCode, Error> {
    let instance = context.find(&args.vm)?.1;
    let past = match (args.all, args.lines) {
        (true, _) => Some(usize::MAX),
        (false, lines) => lines,
    };
    let mut stream = match past {
        Some(_) => events::history(&instance)?,
        None => events::subscribe(&instance)?,
    };
    if !context.json {
        tell_unknown(&instance, &args.filter).await?;
    }
    let deadline = args.timeout.map(deadline::within);
    let mut shown = Shown { filter: Filter::new(&args.filter), json: context.json, count: 0 };
    // Past events need no time limit: they are already in the log.
    let end = match past.map(|most| shown.past(&mut stream, most, args.count)).transpose()? {
        Some(Some(end)) => end,
        _ => tokio::select! {
            biased;
            end = shown.all(&mut stream, args.count) => end?,
            () = deadline::at(deadline) => {
                stdout::give_up();
                End::Timeout
            }
            () = stdout::reader_left() => End::Enough,
        },
    };
    let (vm, seen) = (args.vm, shown.count);
    match (end, args.count, args.timeout) {
        (End::Timeout, Some(wanted), Some(waited)) => {
            Err(EventsError::Timeout { vm, seen, wanted, waited }.into())
        }
        (End::Vm, Some(_), _) => Err(vm::died(&instance)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Warns about filters that match no event of the VM's QEMU, if the VM is running.
async fn tell_unknown(instance: &Instance, filters: &[String]) -> Result<(), Error> {
    let Some(vm) = vm::find_running(instance)? else {
        return Ok(());
    };
    for name in filters {
        if let Some(nearest) = events::is_unknown(&vm, name, PATIENCE).await {
            let hint = nearest.map(|nearest| format!("; did you mean `{nearest}`?"));
            let hint = hint.unwrap_or_default();
            output::note(format_args!("note: this QEMU has no event `{name}`{hint}"));
        }
    }
    Ok(())
}

enum End {
    Enough,
    Vm,
    Timeout,
}

/// Which events to show, and how.
struct Shown {
    filter: Filter,
    json: bool,
    count: u64,
}

impl Shown {
    /// Shows the latest wanted events that are already in the log.
    fn past(
        &mut self,
        stream: &mut EventStream,
        most: usize,
        count: Option<u64>,
    ) -> Result<Option<End>, Error> {
        let mut last = VecDeque::new();
        while let Some(told) = stream.next_now()? {
            if self.wants(&told) {
                last.push_back(told);
            }
            if last.len() > most {
                last.pop_front();
            }
        }
        let mut text = Vec::new();
        for told in last {
            text.extend(self.line(&told).unwrap_or_default());
            if self.is_enough(&told, count) {
                break;
            }
        }
        let is_enough = !stdout::write(&text) || count == Some(self.count);
        Ok(is_enough.then_some(End::Enough))
    }

    /// Shows new events.
    async fn all(&mut self, stream: &mut EventStream, count: Option<u64>) -> Result<End, Error> {
        while let Some(told) = stream.next().await? {
            if !self.wants(&told) {
                continue;
            }
            let line = self.line(&told).unwrap_or_default();
            if !stdout::write_in_time(&line).await || self.is_enough(&told, count) {
                return Ok(End::Enough);
            }
        }
        Ok(End::Vm)
    }

    /// Counts an event that was shown; true if that was the last.
    fn is_enough(&mut self, told: &Told, count: Option<u64>) -> bool {
        self.count += u64::from(matches!(told, Told::Event(_)));
        count == Some(self.count)
    }

    fn wants(&self, told: &Told) -> bool {
        match told {
            Told::Event(event) => self.filter.matches(&event.name),
            Told::Gap(_) => true,
        }
    }

    fn line(&self, told: &Told) -> Option<Vec<u8>> {
        match (told, self.json) {
            (Told::Event(event), true) => output::json_line(event),
            (Told::Event(event), false) => Some(output::line(line(event))),
            (Told::Gap(bytes), true) => output::json_line(&json!({ "gap": { "bytes": bytes } })),
            (Told::Gap(bytes), false) => {
                Some(output::line(format_args!("-- {bytes} bytes of events are missing here --")))
            }
        }
    }
}

/// `2026-03-01 14:03:05.123 STOP`, followed by the data if there is any.
fn line(event: &Event) -> String {
    let time = time(event).unwrap_or_else(|| "-".to_owned());
    let data = if event.data.is_null() { String::new() } else { format!(" {}", event.data) };
    // Names and data may come from the guest.
    harmless(format!("{time} {}{data}", event.name).as_bytes())
}

/// The event's local time; QEMU may not know it (-1).
fn time(event: &Event) -> Option<String> {
    let seconds = u64::try_from(event.timestamp.seconds).ok()?;
    let micros = u64::try_from(event.timestamp.microseconds).ok()?;
    output::local_time(Duration::from_secs(seconds) + Duration::from_micros(micros))
}
