//! What to say about a config file that is no TOML.

use crate::text::source::{Diagnostic, Source};
use toml::de::{DeTable, Error};

/// The TOML syntax errors: only the first on each line, since later ones mostly follow from it.
pub fn no_toml(source: &Source, mut errors: Vec<Error>) -> Vec<Diagnostic> {
    errors.extend(behind_keys_alone(&source.text, &errors));
    let diagnostic = |error: &Error| {
        let end = source.text.len();
        let span = error.span().unwrap_or(end..end);
        Diagnostic::new(span, format!("not valid TOML: {}", error.message()))
    };
    let mut diagnostics: Vec<_> = errors.iter().map(diagnostic).collect();
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    drop_echoes(&source.text, &mut diagnostics);
    diagnostics.dedup_by_key(|diagnostic| source.location(diagnostic.span.start).line);
    diagnostics
}

/// The errors that a key without a value hides: the parser checks no value after such a key.
fn behind_keys_alone(text: &str, errors: &[Error]) -> Vec<Error> {
    let alone = errors.iter().filter(|error| error.message().starts_with("key with no value"));
    let mut rest = text.to_owned();
    for end in alone.filter_map(Error::span).map(|span| span.start) {
        let start = text[..end].rfind('\n').map_or(0, |at| at + 1);
        rest.replace_range(start..end, &" ".repeat(end - start));
    }
    if rest == text { Vec::new() } else { DeTable::parse_recoverable(&rest).1 }
}

/// Drops each key that is only a duplicate because its whole table is repeated.
fn drop_echoes(text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let has_header = |text: &str| text.lines().any(|line| line.trim_start().starts_with('['));
    let mut twice = None;
    diagnostics.retain(|Diagnostic { message, span, .. }| {
        if !message.ends_with("duplicate key") {
            return true;
        }
        if twice.is_some_and(|header| !has_header(&text[header..span.start])) {
            return false;
        }
        let line = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        twice = has_header(&text[line..span.start]).then_some(span.start);
        true
    });
}
