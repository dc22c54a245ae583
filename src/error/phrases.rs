//! Parts of messages that depend on what is known.

use crate::text::duration;
use crate::vm::Ended;
use std::time::Duration;

/// What is added if there is anything to add.
pub fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// The conditions that did hold.
pub fn also_held(held: &str) -> String {
    if held.is_empty() { String::new() } else { format!("; {held} held") }
}

/// How a VM ended, if that is known.
pub fn words(ended: &Option<Box<Ended>>) -> String {
    ended.as_ref().map_or_else(String::new, ToString::to_string)
}

/// How QMP failed to answer.
pub fn no_answer(waited: Duration, held: bool) -> String {
    let who = if held { ": another client holds the socket" } else { "" };
    format!("QMP did not answer within {}{who}", duration::format(waited))
}
