//! `qqmgr list`.

use super::{Context, output};
use crate::Error;
use crate::vm::{self, Status};
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
        let line = |f: &mut fmt::Formatter<'_>, row: [&str; 5], style: Style| {
            let [name, state, pid, uptime, ssh] = row;
            let [name_width, state_width, pid_width, uptime_width, _] = widths;
            write!(f, "{name:name_width$}  {style}{state:state_width$}{style:#}  ")?;
            write!(f, "{pid:>pid_width$}  {uptime:>uptime_width$}  {ssh}")
        };
        line(f, HEADER, Style::new())?;
        for (row, status) in rows.iter().zip(&self.0) {
            writeln!(f)?;
            line(f, std::array::from_fn(|column| row[column].as_str()), style(status))?;
        }
        Ok(())
    }
}

fn cells(status: &Status) -> [String; 5] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        status.name.clone(),
        status.state.clone(),
        or_dash(status.pid.map(|pid| pid.to_string())),
        or_dash(status.uptime_seconds.map(output::seconds)),
        status.ssh.port.map_or("auto".to_owned(), |port| port.to_string()),
    ]
}

fn style(status: &Status) -> Style {
    match status.state.as_str() {
        "running" => AnsiColor::Green.on_default(),
        "stopped" => Style::new().dimmed(),
        _ => AnsiColor::Yellow.on_default(),
    }
}

pub async fn run(context: &Context) -> Result<ExitCode, Error> {
    // The config itself goes at once: with a thousand VMs it takes more memory than all the rest.
    let instances = context.load()?.instances();
    let statuses = vm::list(&instances).await;
    if !context.json {
        for status in &statuses {
            if let Some(error) = &status.error {
                output::note(error);
            }
        }
    }
    output::report(&Table(statuses), context.json);
    Ok(ExitCode::SUCCESS)
}
