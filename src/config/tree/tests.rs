//! Tests of the tree: what is in it, where that stands, and what is refused in which words.

use super::{Kind, Table, Value, parse};
use crate::config::Source;
use std::path::PathBuf;

fn source(text: &str) -> Source {
    Source { path: PathBuf::from("/c/qqmgr.toml"), text: text.to_owned() }
}

/// Each value that is no table: `PATH=VALUE`, in the order of the tree.
fn leaves(text: &str) -> Vec<String> {
    let source = source(text);
    let mut leaves = Vec::new();
    collect(&parse(&source).unwrap(), "", &mut leaves);
    leaves
}

fn collect(table: &Table, path: &str, leaves: &mut Vec<String>) {
    for (key, entry) in table.iter() {
        let path = format!("{path}.{key}");
        match &entry.value.kind {
            Kind::Table(table) => collect(table, &path, leaves),
            Kind::Tables(tables) => {
                for (index, table) in tables.iter().enumerate() {
                    collect(table, &format!("{path}[{index}]"), leaves);
                }
            }
            _ => leaves.push(format!("{path}={}", show(&entry.value))),
        }
    }
}

fn show(value: &Value) -> String {
    match &value.kind {
        Kind::String(text) => format!("{text:?}"),
        Kind::Integer(integer) => integer.to_string(),
        Kind::Float(text) => text.to_string(),
        Kind::Boolean(boolean) => boolean.to_string(),
        Kind::Array(elements) => {
            format!("[{}]", elements.iter().map(show).collect::<Vec<_>>().join(","))
        }
        other => other.describe().to_owned(),
    }
}

/// What is wrong: `LINE:COLUMN message (hint)`.
fn complaints(text: &str) -> Vec<String> {
    let source = source(text);
    let diagnostics = parse(&source).unwrap_err();
    let complaint = |diagnostic: &crate::config::Diagnostic| {
        let place = source.location(diagnostic.span.start);
        let hint = diagnostic.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let message = diagnostic.message.trim_start_matches("not valid TOML: ");
        format!("{}:{} {message}{hint}", place.line, place.column)
    };
    diagnostics.iter().map(complaint).collect()
}

#[test]
fn holds_every_kind_of_value() {
    let text = "s = 'a\\b'\ne = \"a\\tb\"\nm = '''\nx\ny'''\ni = 1_000\nh = 0xDEAD_beef\nf = 1_0.50\nn = -nan\n\
                b = true\nd = 1979-05-27 07:32:00\na = [1, [\n  'x', # y\n], { k = 2 }]\n";
    assert_eq!(
        leaves(text),
        [
            r#".s="a\\b""#,
            r#".e="a\tb""#,
            r#".m="x\ny""#,
            ".i=1000",
            ".h=0xDEADbeef",
            ".f=10.50",
            ".n=-nan",
            ".b=true",
            ".d=a date",
            r#".a=[1,["x"],a table]"#,
        ]
    );
}

#[test]
fn keeps_the_order_of_the_text() {
    let text = "z = 1\n[b.c]\nx = 1\n[a]\nx.y = 1\n[b]\nx = 2\n[a.z]\nq = 1\n[[l]]\nx = 1\n[[l]]\n[l.m]\nx = 1\n";
    assert_eq!(
        leaves(text),
        [".z=1", ".b.c.x=1", ".b.x=2", ".a.x.y=1", ".a.z.q=1", ".l[0].x=1", ".l[1].m.x=1"]
    );
}

#[test]
fn knows_where_everything_stands() {
    let source = source("[a.b]\r\nkey = 'é' # c\n'q k' = [ 1, 2 ]\n[a]\nt = { x = 1 }\n");
    let root = parse(&source).unwrap();
    let text = |span: std::ops::Range<usize>| &source.text[span];
    let (_, a) = root.iter().next().unwrap();
    // Named by its own header in the end, not by that of a table in it.
    assert_eq!((a.key.span().start, text(a.value.span())), (40, "[a]"));
    let a = a.value.as_table().unwrap();
    let b = a.get("b").unwrap();
    assert_eq!(text(b.span()), "[a.b]");
    let places = |table: &Table| -> Vec<_> {
        let entries = table.iter().map(|(_, entry)| (entry.key.span(), entry.value.span()));
        entries.map(|(key, value)| (text(key).to_owned(), text(value).to_owned())).collect()
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(places(b.as_table().unwrap()), [pair("key", "'é'"), pair("'q k'", "[ 1, 2 ]")]);
    assert_eq!(text(a.get("t").unwrap().span()), "{ x = 1 }");
}

#[test]
fn texts_without_escapes_are_the_documents_own() {
    use std::borrow::Cow::{Borrowed, Owned};
    let source = source("a = \"plain\"\nb = \"a\\tb\"\n");
    let root = parse(&source).unwrap();
    assert!(matches!(&root.get("a").unwrap().kind, Kind::String(Borrowed("plain"))));
    assert!(matches!(&root.get("b").unwrap().kind, Kind::String(Owned(text)) if text == "a\tb"));
}

#[test]
fn what_is_there_twice_is_refused_with_both_places() {
    let text =
        "a = 1\na = 2\n[t]\nx.y = 1\nx.y = 2\n[t]\n[t.x]\n[l]\n[[l]]\nk = { m = 1, m = 2 }\n";
    assert_eq!(
        complaints(text),
        [
            "2:1 duplicate key (the first one is on line 1)",
            "5:3 duplicate key (the first one is on line 4)",
            "6:2 duplicate key (the first one is on line 3)",
            "7:4 duplicate key (the first one is on line 4)",
            "9:3 duplicate key (the first one is on line 8)",
            "10:14 duplicate key (the first one is on line 10)",
        ]
    );
}

#[test]
fn what_is_complete_can_not_be_added_to() {
    let text = "i = 1\ni.x = 1\na = []\nt = {}\nt.x = 1\nu = { v = {}, v.w = 1 }\n[a.b]\n[[a]]\n[x]\n[y]\nx.z = 1\n\
                [q]\n[q.r]\n[[q.l]]\n[s.q]\n[s]\nq.x = 1\n";
    assert_eq!(
        complaints(text),
        [
            "2:1 can't add a key to an integer",
            "5:1 can't add a key to an inline table",
            "6:15 can't add a key to an inline table",
            "7:2 can't add a key to an array",
            "8:3 duplicate key (the first one is on line 3)",
            "17:1 duplicate key (the first one is on line 15)",
        ]
    );
}

#[test]
fn a_dotted_key_ends_what_a_header_began() {
    let text = "[a.b.c]\n[a]\nb.d = 1\n";
    assert_eq!(leaves(text), [".a.b.d=1"]);
    let twice = format!("{text}[a.b]\n");
    assert_eq!(complaints(&twice), ["4:4 duplicate key (the first one is on line 1)"]);
}

#[test]
fn an_error_is_no_reason_for_others() {
    for (text, error) in [
        ("a = [ }\n, 1 ]\nb = 2\n", "1:7 missing inline table opening, expected `{`"),
        ("a = 1\na\nx = 1\n", "2:2 key with no value, expected `=`"),
        ("[a]\nx = 1\n[b\nx = 1\n", "3:3 unclosed table, expected `]`"),
        ("[a]\nx = 1\n[a]\nx = 1\n", "3:2 duplicate key (the first one is on line 1)"),
        ("a = 1\n[a.b]\nx = 1\n[c]\nx = 1\n", "2:2 can't add a key to an integer"),
    ] {
        assert_eq!(complaints(text), [error], "{text}");
    }
}

#[test]
fn the_first_error_of_each_line_is_told() {
    let text = "a = = 1\nb\nc = 2020-13-01\n[d\ne = 'x\nf = \"\\q\"\ng = 1 = 2\n[h]\nb = 1\n";
    assert_eq!(
        complaints(text),
        [
            "1:5 extra `=`, expected nothing",
            "2:2 key with no value, expected `=`",
            "3:5 invalid date, expected month between 01 and 12",
            "4:3 unclosed table, expected `]`",
            "5:7 invalid literal string, expected `'`",
            "6:7 missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\\`, `\"`, `x`, `u`, `U`",
            "7:7 unexpected key or value, expected newline, `#`",
        ]
    );
}

#[test]
fn depth_has_a_limit() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("a = {}1{}\n", open.repeat(depth), close.repeat(depth))
    };
    let dotted = |parts: usize| format!("{} = 1\n", vec!["k"; parts].join("."));
    for (open, close) in [("[", "]"), ("{ k = ", "}")] {
        assert_eq!(leaves(&nested(open, close, 80)).len(), 1);
        let found = complaints(&nested(open, close, 100_000));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("cannot recurse further"), "{found:?}");
    }
    assert_eq!(leaves(&dotted(80)).len(), 1);
    assert_eq!(complaints(&dotted(81)), ["1:161 a key of more than 80 parts"]);
    assert_eq!(complaints(&format!("[{}]\n", vec!["k"; 100_000].join("."))).len(), 1);
}
