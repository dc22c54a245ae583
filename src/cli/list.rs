//! `qqmgr list`.

use super::{Context, output};
use crate::Error;
use crate::config::Instance;
use crate::vm::{self, Registry, Status};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

const HEADER: [&str; 5] = ["NAME", "STATE", "PID", "UPTIME", "SSH"];

#[derive(Serialize)]
#[serde(transparent)]
struct Table(Vec<Status>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self.0.iter().map(cells).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEADER[column].len()]).max().unwrap_or(0)
        };
        let widths: [usize; 5] = std::array::from_fn(width);
        let line = |f: &mut fmt::Formatter<'_>, row: [&str; 5], note: &str, style: Style| {
            let [name, state, pid, uptime, ssh] = row;
            let [name_width, state_width, pid_width, uptime_width, ssh_width] = widths;
            write!(f, "{name:name_width$}  {style}{state:state_width$}{style:#}  ")?;
            write!(f, "{pid:>pid_width$}  {uptime:>uptime_width$}  ")?;
            match note {
                "" => f.write_str(ssh),
                note => write!(f, "{ssh:ssh_width$}  {note}"),
            }
        };
        let notes: Vec<_> = self.0.iter().map(note).collect();
        // A column that few VMs need is only shown if one of them has a value.
        let has_notes = notes.iter().any(|note| !note.is_empty());
        line(f, HEADER, if has_notes { "NOTE" } else { "" }, Style::new())?;
        for ((row, note), status) in rows.iter().zip(&notes).zip(&self.0) {
            writeln!(f)?;
            line(f, std::array::from_fn(|column| row[column].as_str()), note, style(status))?;
        }
        Ok(())
    }
}

fn cells(status: &Status) -> [String; 5] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        status.name.clone(),
        if status.stopping { "stopping".to_owned() } else { status.state.clone() },
        or_dash(status.pid.map(|pid| pid.to_string())),
        or_dash(status.uptime_seconds.map(output::seconds)),
        status.ssh.port.map_or("auto".to_owned(), |port| port.to_string()),
    ]
}

fn note(status: &Status) -> String {
    let lease = status.lease.as_ref().map(ToString::to_string);
    let stray = (!status.configured).then(|| "not in the config".to_owned());
    let ended = status.ended.as_ref().map(|ended| match ended.age() {
        Some(age) => format!("{} {} ago", ended.note(), output::seconds(age.as_secs_f64())),
        None => ended.note(),
    });
    let detail = status.state_detail.clone();
    detail.into_iter().chain(ended).chain(lease).chain(stray).collect::<Vec<_>>().join(", ")
}

/// A message about a VM, with its name; some messages name it already.
fn of_vm(name: &str, said: &str) -> String {
    let vm = format!("VM `{name}`");
    if said.starts_with(&vm) { said.to_owned() } else { format!("{vm}: {said}") }
}

fn style(status: &Status) -> Style {
    match status.state.as_str() {
        _ if status.stopping => AnsiColor::Yellow.on_default(),
        "running" => AnsiColor::Green.on_default(),
        "stopped" => Style::new().dimmed(),
        _ => AnsiColor::Yellow.on_default(),
    }
}

pub async fn run(context: &Context) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let instances = Registry::of(&config).all()?;
    // With a thousand VMs, the config takes more memory than everything else.
    drop(config);
    let statuses = vm::list(&instances).await.into_iter();
    // The remains of a run that has ended are left to `gc`.
    let is_over = |(instance, status): &(&Instance, Status)| {
        instance.is_run() && !status.is_running() && status.error.is_none()
    };
    let shown = instances.iter().zip(statuses).filter(|both| !is_over(both));
    let statuses: Vec<_> = shown.map(|(_, status)| status).collect();
    if !context.json {
        for status in &statuses {
            if let Some(error) = &status.error {
                output::say(of_vm(&status.name, error));
            }
        }
    }
    output::report(&Table(statuses), context.json);
    Ok(ExitCode::SUCCESS)
}
