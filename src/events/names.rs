//! Names of events: patterns for them, and the names that a QEMU knows.

use crate::qmp::Client;
use crate::text::suggest;
use crate::vm::Running;
use std::time::Duration;
use wildmatch::WildMatch;

/// The wanted events: all, or those that match one of some patterns.
#[derive(Clone, Debug, Default)]
pub struct Filter(Vec<WildMatch>);

impl Filter {
    /// A filter of patterns as users write them: case does not matter, `*` matches any text.
    /// Without patterns it accepts every event.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Filter {
        Filter(
            names.into_iter().map(|name| WildMatch::new_case_insensitive(name.as_ref())).collect(),
        )
    }

    /// Whether the event called `name` is wanted.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(name))
    }
}

/// Whether the VM's QEMU has no event that matches `name` (QMP, `query-qmp-schema`), and then the
/// most similar name. `None` if it has one, or does not answer within `patience`.
pub async fn is_unknown(vm: &Running, name: &str, patience: Duration) -> Option<Option<String>> {
    let question = async |client: &mut Client| client.execute("query-qmp-schema", None).await;
    let schema = vm.qmp(patience, question).await.ok()?;
    let entities = schema.as_array()?.iter();
    let events = entities.filter(|entity| entity["meta-type"] == "event");
    let names: Vec<_> = events.filter_map(|event| event["name"].as_str()).collect();
    let filter = Filter::new([name]);
    if names.is_empty() || names.iter().any(|known| filter.matches(known)) {
        return None;
    }
    let name = name.to_ascii_uppercase();
    Some(suggest::nearest(&name, names).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        for (pattern, name, wanted) in [
            ("STOP", "STOP", true),
            ("stop", "STOP", true),
            ("STOP", "STOPPED", false),
            ("block_*", "BLOCK_JOB_READY", true),
            ("B*J*Y", "BLOCK_JOB_READY", true),
            ("B*X*Y", "BLOCK_JOB_READY", false),
            ("*", "STOP", true),
            ("", "STOP", false),
        ] {
            assert_eq!(Filter::new([pattern]).matches(name), wanted, "{pattern} {name}");
        }
        assert!(Filter::default().matches("STOP"));
        assert!(Filter::new(["RESET", "ST*"]).matches("STOP"));
    }
}
