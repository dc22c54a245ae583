//! `qqmgr blocks`.

use super::args::drive::BlocksArgs;
use super::{Context, output, size, table};
use crate::Error;
use crate::ops::{self, Backing, Block, Blocks, Job, Medium};
use crate::text::sanitize::harmless;
use std::fmt;
use std::process::ExitCode;

const HEADER: [&str; 7] = ["DEVICE", "NODE", "FORMAT", "SIZE", "USED", "ACCESS", "FILE"];

fn plain(text: Option<&String>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| harmless(text.as_bytes()))
}

fn cells(device: &str, medium: &Medium) -> [String; 7] {
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), size::format);
    let below = |backing: &Backing| format!(" <- {}", plain(backing.file.as_ref()));
    [
        harmless(device.as_bytes()),
        plain(medium.node.as_ref()),
        plain(medium.format.as_ref()),
        size(medium.virtual_size),
        size(medium.actual_size),
        if medium.read_only { "ro" } else { "rw" }.to_owned(),
        plain(medium.file.as_ref()) + &medium.backing.iter().map(below).collect::<String>(),
    ]
}

fn device(block: &Block) -> [String; 7] {
    match &block.medium {
        Some(medium) => cells(block.name(), medium),
        None => {
            let state = if block.tray_open == Some(true) { "(tray open)" } else { "(empty)" };
            let name = harmless(block.name().as_bytes());
            [&name, "-", "-", "-", "-", "-", state].map(str::to_owned)
        }
    }
}

fn job(f: &mut fmt::Formatter<'_>, job: &Job) -> fmt::Result {
    let percent = (job.offset.min(job.len) as f64 / job.len.max(1) as f64 * 100.0).floor();
    let [id, kind, status] = [&job.id, &job.kind, &job.status].map(|text| plain(text.as_ref()));
    write!(f, "\njob {id}: {kind}, {status}, {percent}%")
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![HEADER.map(str::to_owned)];
        rows.extend(self.devices.iter().map(device));
        rows.extend(self.nodes.iter().map(|node| cells("-", node)));
        table::write(f, &rows, &[3, 4])?;
        self.jobs.iter().try_for_each(|one| job(f, one))
    }
}

pub async fn run(context: &Context, args: &BlocksArgs) -> Result<ExitCode, Error> {
    let blocks = ops::blocks(&context.target(&args.target)?).await?;
    output::report(&blocks, context.json);
    Ok(ExitCode::SUCCESS)
}
