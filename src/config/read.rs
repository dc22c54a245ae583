//! Reads typed values from parsed TOML, and collects the errors.

use crate::text::source::{Diagnostic, Span, Text};
use crate::text::suggest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its place; a table's place is its header.
pub type Value<'a> = Spanned<DeValue<'a>>;

/// Collects errors, so that all of them are reported at once.
#[derive(Default)]
pub struct Reader {
    /// The errors so far.
    pub diagnostics: Vec<Diagnostic>,
}

/// A table with its name for messages.
pub struct Section<'a> {
    pub table: &'a DeTable<'a>,
    pub name: String,
    pub span: Span,
}

impl<'a> Section<'a> {
    pub fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.table.get(key)
    }

    /// Whether it contains this key, or an unknown one that is a misspelling of it.
    pub fn means(&self, key: &str, known: &[&str]) -> bool {
        let misspelt = |other| {
            !known.contains(&other) && suggest::nearest(other, known.iter().copied()) == Some(key)
        };
        self.get(key).is_some() || self.entries().any(|(other, ..)| misspelt(other))
    }

    /// Every entry: the key, its place, the value.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, Span, &'a Value<'a>)> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
    }
}

impl Reader {
    pub fn error(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub fn wrong_type(&mut self, what: &str, wanted: &str, value: &Value) {
        self.error(wrong_type(what, wanted, value));
    }

    /// Reports keys that nothing reads.
    pub fn only(&mut self, section: &Section, known: &[&str]) {
        for (key, span, _) in section.entries() {
            if !known.contains(&key) {
                let message = format!("unknown key `{key}` in {}", section.name);
                let near = suggest::nearest(key, known.iter().copied());
                let diagnostic = Diagnostic::new(span, message);
                self.error(match near {
                    Some(_) => diagnostic.did_you_mean(near),
                    None => diagnostic.hint(format!("known keys: {}", known.join(", "))),
                });
            }
        }
    }

    /// A table under `parent`, named `name`.
    pub fn section<'a>(
        &mut self,
        parent: &Section<'a>,
        key: &str,
        name: String,
    ) -> Option<Section<'a>> {
        let value = parent.get(key)?;
        self.table(value, name)
    }

    pub fn table<'a>(&mut self, value: &'a Value<'a>, name: String) -> Option<Section<'a>> {
        match value.get_ref().as_table() {
            Some(table) => Some(Section { table, name, span: value.span() }),
            None => {
                self.wrong_type(&name, "a table", value);
                None
            }
        }
    }

    pub fn missing(&mut self, section: &Section, what: &str, hint: &str) {
        let message = format!("{} has no {what}", section.name);
        self.error(Diagnostic::new(section.span.clone(), message).hint(hint));
    }

    pub fn string(&mut self, what: &str, value: &Value) -> Option<Text> {
        match value.get_ref().as_str() {
            Some(text) => Some(Text { value: text.to_owned(), span: value.span() }),
            None => {
                self.wrong_type(what, "a string", value);
                None
            }
        }
    }

    pub fn list<'a>(&mut self, what: &str, value: &'a Value<'a>) -> Option<&'a [Value<'a>]> {
        let elements = value.get_ref().as_array().map(|elements| &**elements);
        if elements.is_none() {
            self.wrong_type(what, "a list of strings", value);
        }
        elements
    }

    /// A TCP port, 1 to 65535, or one of `words` instead of a number.
    pub fn port(&mut self, what: &str, words: &[&str], value: &Value) -> Option<u16> {
        let DeValue::Integer(integer) = value.get_ref() else {
            self.error(no_port(what, words, value));
            return None;
        };
        let port = u16::from_str_radix(integer.as_str(), integer.radix()).ok();
        if let Some(port @ 1..) = port {
            return Some(port);
        }
        let message = format!("{what} must be from 1 to 65535, not {integer}");
        self.error(Diagnostic::new(value.span(), message));
        None
    }
}

fn wrong_type(what: &str, wanted: &str, value: &Value) -> Diagnostic {
    let found = describe(value.get_ref());
    Diagnostic::new(value.span(), format!("{what} must be {wanted}, not {found}"))
}

/// The error for a port that is not a number; perhaps only its quotes are wrong.
fn no_port(what: &str, words: &[&str], value: &Value) -> Diagnostic {
    let or_word: String = words.iter().map(|word| format!(" or \"{word}\"")).collect();
    let wanted = format!("a port number{or_word}");
    let Some(text) = value.get_ref().as_str() else {
        return wrong_type(what, &wanted, value);
    };
    let message = format!("{what} must be {wanted}, not {text:?}");
    let diagnostic = Diagnostic::new(value.span(), message);
    match text.parse() {
        Ok(1u16..) => diagnostic.hint(format!("write {text}, without quotes")),
        _ => {
            let near = suggest::nearest(text, words.iter().copied());
            diagnostic.did_you_mean(near.map(|word| format!("{word:?}")).as_deref())
        }
    }
}

/// A scalar as it is written: `0x10` stays `0x10`, `1.50` stays `1.50`.
pub fn scalar(value: &Value) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Float(float) => Some(float.as_str().to_owned()),
        DeValue::Integer(integer) => Some(integer.to_string()),
        DeValue::Boolean(boolean) => Some(boolean.to_string()),
        _ => None,
    }
}

/// A value's type with its article, for messages.
pub fn describe(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
