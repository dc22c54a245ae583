//! `qqmgr gc`.

use super::{Context, output, stop};
use crate::{Error, ops};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// What was ended and removed, and the errors, for `--json`.
#[derive(Serialize)]
struct Report {
    stopped: Vec<String>,
    removed: Vec<String>,
    unconfigured: Vec<String>,
    earlier: Vec<String>,
    #[serde(skip)]
    earlier_dir: PathBuf,
    failed: Vec<Value>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        write!(f, "stopped: {}\nremoved: {}", or_none(&self.stopped), or_none(&self.removed))?;
        match self.unconfigured.as_slice() {
            [] => {}
            names => write!(f, "\nnot in the config, but running: {}", names.join(", "))?,
        }
        match self.earlier.as_slice() {
            [] => Ok(()),
            names => {
                let place = self.earlier_dir.display();
                write!(f, "\nrunning in the old directory, {place}: {}", names.join(", "))
            }
        }
    }
}

pub async fn run(context: &Context) -> Result<ExitCode, Error> {
    let done = ops::gc(&context.load()?).await?;
    done.stopped.iter().for_each(|stopped| stop::notes(context, stopped));
    let mut worst = 0;
    let mut failed = Vec::new();
    for (name, error) in &done.failed {
        worst = worst.max(error.exit_code());
        match context.json {
            true => failed.push(json!({ "name": name, "error": output::error_document(error) })),
            false => output::error_of(name, error),
        }
    }
    let stopped = done.stopped.into_iter().map(|stopped| stopped.name).collect();
    let (removed, unconfigured) = (done.removed, done.unconfigured);
    let (earlier_dir, earlier) = done.earlier.unwrap_or_default();
    let report = Report { stopped, removed, unconfigured, earlier, earlier_dir, failed };
    output::report(&report, context.json);
    Ok(ExitCode::from(worst))
}
