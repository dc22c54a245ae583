//! `qqmgr list --any`: every QEMU of this user, no matter who started it.

use super::{Context, output, table};
use crate::Error;
use crate::target::{Manager, Qemu, QmpSocket, qemus};
use crate::text::sanitize::harmless;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

const HEADER: [&str; 6] = ["NAME", "PID", "UPTIME", "MEMORY", "STARTED BY", "QMP"];

/// A QEMU as it is told.
#[derive(Serialize)]
struct Row {
    name: Option<String>,
    pid: u32,
    uptime_seconds: Option<f64>,
    memory: Option<u64>,
    started_by: Option<&'static str>,
    dir: Option<PathBuf>,
    qmp: Option<String>,
    qmp_error: Option<String>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Table(Vec<Row>);

impl From<Qemu> for Row {
    fn from(qemu: Qemu) -> Row {
        let vm = qemu.manager.vm();
        let (started_by, dir) = match qemu.manager {
            Manager::Qqmgr(dir) => (Some("qqmgr"), Some(dir)),
            Manager::Libvirt => (Some("libvirt"), None),
            Manager::None => (None, None),
        };
        let address = qemu.qmp.iter().find_map(|socket| match socket {
            QmpSocket::At(address) => Some(address.to_string()),
            QmpSocket::Unreachable(_) => None,
        });
        let qmp_error = match (&address, qemu.qmp.into_iter().next()) {
            (None, Some(QmpSocket::Unreachable(why))) => Some(why),
            _ => None,
        };
        Row {
            name: vm.or(qemu.name),
            pid: qemu.pid,
            uptime_seconds: qemu.uptime_seconds,
            memory: qemu.memory,
            started_by,
            dir,
            qmp: address,
            qmp_error,
        }
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            or_dash(self.name.as_deref().map(|name| harmless(name.as_bytes()))),
            self.pid.to_string(),
            or_dash(self.uptime_seconds.map(output::seconds)),
            or_dash(self.memory.map(|bytes| format!("{} MiB", bytes >> 20))),
            or_dash(self.started_by.map(str::to_owned)),
            or_dash(self.qmp.clone().or_else(|| self.qmp_error.clone())),
        ]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.0.iter().map(Row::cells);
        let rows: Vec<_> = std::iter::once(HEADER.map(str::to_owned)).chain(rows).collect();
        table::write(f, &rows, &[1, 2, 3])
    }
}

pub fn run(context: &Context) -> Result<ExitCode, Error> {
    let table = Table(qemus().into_iter().map(Row::from).collect());
    output::report(&table, context.json);
    Ok(ExitCode::SUCCESS)
}
