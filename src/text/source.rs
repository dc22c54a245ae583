//! The text of a config file and the places in it that errors point at.

use serde::Serialize;
use std::ops::Range;
use std::path::PathBuf;

/// Bytes of the config file's text.
pub type Span = Range<usize>;

/// A config file as it was read.
#[derive(Debug)]
pub struct Source {
    /// Its canonical path.
    pub path: PathBuf,
    /// Its contents.
    pub text: String,
}

/// A place in a file; lines and columns (characters) count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The file's absolute path.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// A fault at a place in the config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Its place.
    pub span: Span,
}

impl Diagnostic {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Diagnostic { message: message.into(), hint: None, span }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds "did you mean" if there is a similar name.
    pub(crate) fn did_you_mean(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// A string of the config file and its place, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The string itself.
    pub value: String,
    /// Its place.
    pub span: Span,
}

impl Source {
    /// The place of a byte of the text.
    pub fn location(&self, offset: usize) -> Location {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Location {
            file: self.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The place of some bytes of a string: exact unless the string has escapes, else the whole
    /// string.
    pub fn within(&self, text: &Text, range: &Range<usize>) -> Span {
        let raw = &self.text[text.span.clone()];
        let start = match raw.find(&text.value) {
            Some(at) => Some(at + range.start),
            None => raw.find(&text.value[range.clone()]),
        };
        match start {
            Some(at) if !range.is_empty() => {
                let start = text.span.start + at;
                start..start + range.len()
            }
            _ => text.span.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { path: PathBuf::from("/c/qqmgr.toml"), text: text.to_owned() }
    }

    #[test]
    fn counts_from_one_in_characters() {
        let source = source("a\né = x\n");
        assert_eq!((source.location(0).line, source.location(0).column), (1, 1));
        let at = source.text.find('x').unwrap();
        assert_eq!((source.location(at).line, source.location(at).column), (2, 5));
    }

    #[test]
    fn finds_the_bytes_of_a_string() {
        let source = source(r#"k = "ab cd" "a\tcd""#);
        let plain = Text { value: "ab cd".into(), span: 4..11 };
        assert_eq!(&source.text[source.within(&plain, &(3..5))], "cd");
        let escaped = Text { value: "a\tcd".into(), span: 12..19 };
        assert_eq!(&source.text[source.within(&escaped, &(2..4))], "cd");
        assert_eq!(source.within(&escaped, &(0..2)), 12..19);
    }
}
