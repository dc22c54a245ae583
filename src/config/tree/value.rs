//! What a TOML document can hold.

use super::Table;
use crate::config::Span;
use std::borrow::Cow;
use std::fmt;
use toml_parser::decoder::IntegerRadix;

/// Bytes of the text, in half of what a [`Span`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    start: u32,
    end: u32,
}

/// A value and where it stands, quotes and brackets included; a table's header for a table.
#[derive(Debug)]
pub struct Value<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// Where it stands.
    pub place: Place,
}

/// What a value is; its texts are the document's own where no escape is in them.
#[derive(Debug)]
pub enum Kind<'a> {
    /// A string of any sort.
    String(Cow<'a, str>),
    /// An integer, of any size.
    Integer(Integer<'a>),
    /// A float, as it is written, without `_`.
    Float(Cow<'a, str>),
    /// A boolean.
    Boolean(bool),
    /// A date, a time, or both.
    Datetime,
    /// An array.
    Array(Vec<Value<'a>>),
    /// The tables under `[[NAME]]`.
    Tables(Vec<Table<'a>>),
    /// A table.
    Table(Box<Table<'a>>),
}

/// An integer as it is written, without `_`.
#[derive(Debug)]
pub struct Integer<'a> {
    /// Its sign and digits.
    pub digits: Cow<'a, str>,
    /// What they count in.
    pub radix: IntegerRadix,
}

impl Place {
    /// The place as everything else knows it.
    pub fn span(self) -> Span {
        self.start as usize..self.end as usize
    }
}

impl From<toml_parser::Span> for Place {
    fn from(span: toml_parser::Span) -> Place {
        // A text that is longer has been refused.
        Place { start: span.start() as u32, end: span.end() as u32 }
    }
}

impl From<Place> for toml_parser::Span {
    fn from(place: Place) -> toml_parser::Span {
        toml_parser::Span::new_unchecked(place.start as usize, place.end as usize)
    }
}

impl<'a> Value<'a> {
    /// Where it stands.
    pub fn span(&self) -> Span {
        self.place.span()
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match &self.kind {
            Kind::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// A table's entries.
    pub fn as_table(&self) -> Option<&Table<'a>> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }
}

impl Kind<'_> {
    /// Its type with the article, for messages.
    pub fn describe(&self) -> &'static str {
        match self {
            Kind::String(_) => "a string",
            Kind::Integer(_) => "an integer",
            Kind::Float(_) => "a float",
            Kind::Boolean(_) => "a boolean",
            Kind::Datetime => "a date",
            Kind::Array(_) => "an array",
            Kind::Tables(_) => "an array of tables",
            Kind::Table(_) => "a table",
        }
    }
}

impl fmt::Display for Integer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.radix {
            IntegerRadix::Dec => "",
            IntegerRadix::Hex => "0x",
            IntegerRadix::Oct => "0o",
            IntegerRadix::Bin => "0b",
        };
        write!(f, "{prefix}{}", self.digits)
    }
}
