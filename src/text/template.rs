//! The `{{...}}` expressions of the config file: finds and parses them in a text.
//!
//! The scanner is our own, because QEMU's command lines are full of braces that mean nothing here
//! (inline JSON) and must stay unchanged.

use std::fmt;
use std::ops::Range;

/// A piece of a text: plain text, or a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Plain text.
    Text(String),
    /// A variable and the bytes of the text that name it, braces included.
    Var(Path, Range<usize>),
}

/// The path to a variable from the root: `{{.foo.bar}}` is `foo`, `bar`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(pub Vec<String>);

impl Path {
    /// The path extended by more keys.
    pub fn join<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Path {
        Path(self.0.iter().cloned().chain(keys.into_iter().map(str::to_owned)).collect())
    }
}

/// As it is written between the braces.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.0.iter().take_while(|key| is_identifier(key)).count();
        let (plain, quoted) = self.0.split_at(plain);
        if !quoted.is_empty() {
            f.write_str("index ")?;
        }
        if plain.is_empty() {
            f.write_str(".")?;
        }
        plain.iter().try_for_each(|key| write!(f, ".{key}"))?;
        let escape = |key: &String| key.replace('\\', "\\\\").replace('"', "\\\"");
        quoted.iter().try_for_each(|key| write!(f, " \"{}\"", escape(key)))
    }
}

/// An invalid expression: which bytes of the text, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The offending bytes of the text.
    pub range: Range<usize>,
    /// What is wrong, naming the expression.
    pub message: String,
    /// What to write instead, if that is known.
    pub hint: Option<String>,
}

/// Splits a whole text into its pieces, and reports every invalid expression.
pub fn scan(text: &str) -> (Vec<Piece>, Vec<Error>) {
    let (mut pieces, mut errors) = (Vec::new(), Vec::new());
    let mut literal = String::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        match expression_at(text, at) {
            Ok(Some((path, range))) => {
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                at = range.end;
                pieces.push(Piece::Var(path, range));
            }
            Ok(None) => {
                literal.push(c);
                at += c.len_utf8();
            }
            Err(error) => {
                at = error.range.end;
                errors.push(error);
            }
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    (pieces, errors)
}

/// Parses the expression that begins at byte `at`, if one does.
///
/// Of a run of braces the last two open (`{{{.n}}}` is a variable in braces), and an opening
/// that is never closed is plain text unless it clearly meant a variable.
///
/// # Errors
/// The text between `{{` and `}}` is not an expression.
pub fn expression_at(text: &str, at: usize) -> Result<Option<(Path, Range<usize>)>, Error> {
    let Some(inner) = text[at..].strip_prefix("{{") else {
        return Ok(None);
    };
    if inner.starts_with('{') {
        return Ok(None);
    }
    let Some(length) = closing(inner) else {
        return match inner.trim_start().starts_with('.') {
            true => Err(Error {
                range: at..text.len(),
                message: format!("`{}` is never closed", &text[at..]),
                hint: Some("a variable ends with `}}`".to_owned()),
            }),
            false => Ok(None),
        };
    };
    let range = at..at + 2 + length + 2;
    match parse(inner[..length].trim()) {
        Some(path) => Ok(Some((path, range))),
        None => Err(Error {
            message: format!("`{}` is not an expression", &text[range.clone()]),
            hint: Some(hint(inner[..length].trim())),
            range,
        }),
    }
}

/// The length of an expression up to its `}}`; a `}}` in quotes does not count.
fn closing(inner: &str) -> Option<usize> {
    let plain = inner.find("}}")?;
    let mut quoted = None;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match quoted {
            None if inner[at..].starts_with("}}") => return Some(at),
            None if c == '"' || c == '`' => quoted = Some(c),
            Some('"') if c == '\\' && !escaped => {
                escaped = true;
                continue;
            }
            Some(quote) if c == quote && !escaped => quoted = None,
            _ => {}
        }
        escaped = false;
    }
    Some(plain)
}

fn parse(expression: &str) -> Option<Path> {
    match expression.strip_prefix("index") {
        Some(rest) if rest.starts_with(char::is_whitespace) => parse_index(rest.trim_start()),
        _ if expression == "." => None,
        _ => parse_dotted(expression),
    }
}

fn parse_dotted(text: &str) -> Option<Path> {
    let rest = text.strip_prefix('.')?;
    if rest.is_empty() {
        return Some(Path(Vec::new()));
    }
    let keys: Vec<_> = rest.split('.').map(str::to_owned).collect();
    keys.iter().all(|key| is_identifier(key)).then_some(Path(keys))
}

/// `index .foo "a-b"`: a table, then keys in Go's two kinds of quotes.
fn parse_index(text: &str) -> Option<Path> {
    let end = text.find(char::is_whitespace)?;
    let mut path = parse_dotted(&text[..end])?;
    let mut rest = text[end..].trim_start();
    while !rest.is_empty() {
        let (key, length) = parse_quoted(rest)?;
        path.0.push(key);
        rest = &rest[length..];
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return None;
        }
        rest = rest.trim_start();
    }
    Some(path)
}

/// A quoted key at the start of `text`, and the bytes it takes.
fn parse_quoted(text: &str) -> Option<(String, usize)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '`'))?;
    let mut key = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => {
                key.push(chars.next().map(|(_, c)| c).filter(|c| "\"\\".contains(*c))?);
            }
            c if c == quote => return Some((key, at + 1)),
            c => key.push(c),
        }
    }
    None
}

fn is_identifier(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn hint(expression: &str) -> String {
    let is_key = |key: &str| {
        !key.is_empty() && key.split('-').all(|part| part.is_empty() || is_identifier(part))
    };
    match expression.strip_prefix('.') {
        Some(keys) if keys.split('.').all(is_key) => {
            let path = Path(Vec::new()).join(keys.split('.'));
            format!("a key with a dash is written {{{{{path}}}}}")
        }
        None if expression.split('.').all(is_identifier) => {
            format!("did you mean `{{{{.{expression}}}}}`?")
        }
        _ => "an expression is {{.name}}, {{.table.name}} or {{index .table \"name\"}}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Result<Vec<Piece>, Error> {
        let (pieces, mut errors) = scan(text);
        errors.pop().map_or(Ok(pieces), Err)
    }

    fn path(keys: &[&str]) -> Path {
        Path(keys.iter().map(|&key| key.to_owned()).collect())
    }

    fn only_var(text: &str) -> Path {
        match whole(text).unwrap().as_slice() {
            [Piece::Var(path, range)] if *range == (0..text.len()) => path.clone(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn reads_every_form() {
        assert_eq!(only_var("{{.home}}"), path(&["home"]));
        assert_eq!(only_var("{{  .vm.ssh.port  }}"), path(&["vm", "ssh", "port"]));
        assert_eq!(only_var(r#"{{index .foo "a-b"}}"#), path(&["foo", "a-b"]));
        assert_eq!(only_var(r#"{{ index . "a-b" `c}}d` }}"#), path(&["a-b", "c}}d"]));
        assert_eq!(only_var(r#"{{index .foo "q\"}}"}}"#), path(&["foo", "q\"}}"]));
    }

    #[test]
    fn leaves_plain_braces_alone() {
        for text in [
            r#"{"driver":"qcow2","file":{"driver":"file","filename":"/x"}}"#,
            "a}}b",
            "a{b",
            "{{",
            "x{{y",
            "{{{",
            "}}{{",
        ] {
            assert_eq!(whole(text).unwrap(), [Piece::Text(text.to_owned())], "{text}");
        }
    }

    #[test]
    fn finds_a_variable_inside_json() {
        let pieces = whole(r#"{"a":{"n":{{.n}}}}"#).unwrap();
        assert_eq!(pieces[0], Piece::Text(r#"{"a":{"n":"#.to_owned()));
        assert_eq!(pieces[1], Piece::Var(path(&["n"]), 10..16));
        assert_eq!(pieces[2], Piece::Text("}}".to_owned()));
        assert!(matches!(&whole("{{{.n}}}").unwrap()[1], Piece::Var(..)));
    }

    #[test]
    fn names_what_is_no_expression() {
        for text in
            ["{{home}}", "{{}}", "{{.}}", "{{.a b}}", "{{.a..b}}", "{{index .a b}}", "{{.a | b}}"]
        {
            let error = whole(&format!("x {text} y")).unwrap_err();
            assert_eq!(error.message, format!("`{text}` is not an expression"));
            assert_eq!(error.range, 2..2 + text.len());
        }
        assert_eq!(whole("{{.home").unwrap_err().message, "`{{.home` is never closed");
        let hint = whole("{{.foo.a-b}}").unwrap_err().hint.unwrap();
        assert!(hint.ends_with(r#"{{index .foo "a-b"}}"#), "{hint}");
        let hint = whole("{{a.b}}").unwrap_err().hint.unwrap();
        assert_eq!(hint, "did you mean `{{.a.b}}`?");
        let hint = whole("{{.a-b}}").unwrap_err().hint.unwrap();
        assert!(hint.ends_with(r#"{{index . "a-b"}}"#), "{hint}");
    }

    proptest! {
        #[test]
        fn never_panics_and_never_loses_a_byte(text in r#"[{}." a-b\\`'"é]{0,40}"#) {
            if let Ok(pieces) = whole(&text) {
                let whole: String = pieces
                    .iter()
                    .map(|piece| match piece {
                        Piece::Text(literal) => literal.as_str(),
                        Piece::Var(_, range) => &text[range.clone()],
                    })
                    .collect();
                prop_assert_eq!(whole, text);
            }
        }

        #[test]
        fn reads_back_any_key(key in any::<String>()) {
            let quoted = key.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("{{{{index .t \"{quoted}\"}}}}");
            prop_assert_eq!(only_var(&text), path(&["t", &key]));
            let path = path(&[&key, "t"]);
            prop_assert_eq!(only_var(&format!("{{{{{path}}}}}")), path);
        }

        #[test]
        fn text_without_an_opening_is_untouched(text in r#"([{]?[a-z}":, \\]){0,30}"#) {
            let expected = if text.is_empty() { vec![] } else { vec![Piece::Text(text.clone())] };
            prop_assert_eq!(whole(&text).unwrap(), expected);
        }
    }
}
