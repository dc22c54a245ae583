//! Verbs that take several VMs: side by side, a line each, the worst exit code of all.

use super::{Context, output};
use crate::Error;
use crate::config::Instance;
use crate::sys::descriptors;
use crate::vm::is_pattern;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Display;
use std::process::ExitCode;
use tokio::sync::Semaphore;

/// As many descriptors it takes to start or stop a VM, with a keeper.
const DESCRIPTORS: usize = 8;

/// Which VMs a verb is for.
pub struct Targets {
    instances: Vec<Instance>,
    /// One was named, so that its result is the verb's.
    single: bool,
}

impl Targets {
    /// The VMs that these names or patterns stand for.
    pub fn new(names: &[String], instances: Vec<Instance>) -> Targets {
        Targets { instances, single: matches!(names, [name] if !is_pattern(name)) }
    }

    /// Does the work on each, all at once as far as descriptors suffice, and tells each result as it
    /// comes; with `--json` all of them in one list at the end.
    pub async fn each<T: Serialize + Display>(
        &self,
        context: &Context,
        work: impl AsyncFn(&Instance) -> Result<T, Error>,
    ) -> Result<ExitCode, Error> {
        if let (true, [instance]) = (self.single, self.instances.as_slice()) {
            output::report(&work(instance).await?, context.json);
            return Ok(ExitCode::SUCCESS);
        }
        let numbered = self.instances.iter().enumerate();
        let work = &work;
        let turns = Semaphore::new(descriptors::at_once(DESCRIPTORS));
        let one = async |at, instance| {
            // It is never closed.
            let _turn = turns.acquire().await;
            (at, work(instance).await)
        };
        let mut running: FuturesUnordered<_> =
            numbered.map(|(at, instance)| one(at, instance)).collect();
        let mut documents = vec![Value::Null; self.instances.len()];
        let mut worst = 0;
        while let Some((at, result)) = running.next().await {
            worst = worst.max(result.as_ref().map_or_else(Error::exit_code, |_| 0));
            if context.json {
                documents[at] = document(&self.instances[at].name, &result);
                continue;
            }
            match result {
                Ok(report) => {
                    output::text(report);
                }
                Err(error) => output::error_of(&self.instances[at].name, &error),
            }
        }
        if context.json {
            output::document(&documents);
        }
        Ok(ExitCode::from(worst))
    }
}

/// A result in the list: what the verb reports of one VM, or its name and the error.
fn document<T: Serialize>(name: &str, result: &Result<T, Error>) -> Value {
    match result {
        Ok(report) => serde_json::to_value(report).unwrap_or_default(),
        Err(error) => json!({ "name": name, "error": output::error_document(error) }),
    }
}
