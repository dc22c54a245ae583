//! Builds the tree while the text is being parsed.

use super::table::{Key, Origin, Table};
use super::value::{Integer, Kind, Value};
use std::borrow::Cow;
use toml_datetime::Datetime;
use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::EventReceiver;
use toml_parser::{ErrorSink, ParseError, Raw, Source, Span};

/// How many parts a dotted key may have, and how deep arrays and inline tables may be nested:
/// what walks through the tree calls itself for each.
pub const DEEPEST: usize = 80;

/// A tree that grows with each event of the parser.
///
/// After an error it is of no use, except to find further errors.
pub struct Builder<'a> {
    source: Source<'a>,
    root: Table<'a>,
    /// The path of the table that the last header names, unless that was refused.
    table: Option<Vec<usize>>,
    /// Where the last header begins.
    header: Span,
    /// The key that is being read.
    keys: Vec<Key<'a>>,
    /// The arrays and inline tables that are still open, the outermost first.
    open: Vec<Open<'a>>,
}

/// An array or inline table that is still open.
struct Open<'a> {
    /// The key whose value it is; none in an array.
    keys: Vec<Key<'a>>,
    start: Span,
    content: Content<'a>,
}

enum Content<'a> {
    Array(Vec<Value<'a>>),
    Table(Table<'a>),
}

impl<'a> Builder<'a> {
    pub fn new(source: Source<'a>) -> Self {
        Builder {
            source,
            root: Table::new(Origin::Header),
            table: Some(Vec::new()),
            header: Span::default(),
            keys: Vec::new(),
            open: Vec::new(),
        }
    }

    /// All that was built.
    pub fn finish(self) -> Table<'a> {
        self.root
    }

    fn raw(&self, span: Span, encoding: Option<Encoding>) -> Raw<'a> {
        let text = self.source.input().get(span.start()..span.end());
        Raw::new_unchecked(text.unwrap_or_default(), encoding, span)
    }

    fn open_header(&mut self, span: Span) {
        self.header = span;
        self.table = None;
        self.keys.clear();
    }

    fn close_header(&mut self, span: Span, many: bool, error: &mut dyn ErrorSink) {
        let header = self.header.append(span).into();
        match self.root.open(std::mem::take(&mut self.keys), header, many) {
            Ok(path) => self.table = Some(path),
            Err(refusal) => error.report_error(refusal),
        }
    }

    fn open_value(&mut self, start: Span, content: Content<'a>) {
        self.open.push(Open { keys: std::mem::take(&mut self.keys), start, content });
    }

    fn close_value(&mut self, end: Span, error: &mut dyn ErrorSink) {
        let Some(Open { keys, start, content }) = self.open.pop() else {
            return;
        };
        let kind = match content {
            Content::Array(elements) => Kind::Array(elements),
            Content::Table(table) => Kind::Table(Box::new(table)),
        };
        self.put(keys, Value { kind, place: start.append(end).into() }, error);
    }

    /// Puts a value where it belongs.
    fn put(&mut self, keys: Vec<Key<'a>>, value: Value<'a>, error: &mut dyn ErrorSink) {
        let table = match self.open.last_mut().map(|open| &mut open.content) {
            Some(Content::Array(elements)) => return elements.push(value),
            Some(Content::Table(table)) => Some(table),
            None => self.table.as_ref().and_then(|path| self.root.at(path)),
        };
        if let Some(Err(refusal)) = table.map(|table| table.insert(keys, value)) {
            error.report_error(refusal);
        }
    }
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.open_header(span);
    }

    fn std_table_close(&mut self, span: Span, error: &mut dyn ErrorSink) {
        self.close_header(span, false, error);
    }

    fn array_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.open_header(span);
    }

    fn array_table_close(&mut self, span: Span, error: &mut dyn ErrorSink) {
        self.close_header(span, true, error);
    }

    fn inline_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.open_value(span, Content::Table(Table::new(Origin::Inline)));
        true
    }

    fn inline_table_close(&mut self, span: Span, error: &mut dyn ErrorSink) {
        self.close_value(span, error);
    }

    fn array_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.open_value(span, Content::Array(Vec::new()));
        true
    }

    fn array_close(&mut self, span: Span, error: &mut dyn ErrorSink) {
        self.close_value(span, error);
    }

    fn simple_key(&mut self, span: Span, kind: Option<Encoding>, error: &mut dyn ErrorSink) {
        if self.keys.len() == DEEPEST {
            let message = format!("a key of more than {DEEPEST} parts");
            return error.report_error(ParseError::new(message).with_unexpected(span));
        }
        let mut text = Cow::Borrowed("");
        self.raw(span, kind).decode_key(&mut text, error);
        self.keys.push(Key { text, place: span.into() });
    }

    fn scalar(&mut self, span: Span, kind: Option<Encoding>, error: &mut dyn ErrorSink) {
        let mut text = Cow::Borrowed("");
        let kind = match self.raw(span, kind).decode_scalar(&mut text, error) {
            ScalarKind::String => Kind::String(text),
            ScalarKind::Boolean(boolean) => Kind::Boolean(boolean),
            ScalarKind::Float => Kind::Float(text),
            ScalarKind::Integer(radix) => Kind::Integer(Integer { digits: text, radix }),
            ScalarKind::DateTime => {
                if let Err(refusal) = text.parse::<Datetime>() {
                    let refusal = ParseError::new(refusal.to_string());
                    error.report_error(refusal.with_unexpected(span));
                }
                Kind::Datetime
            }
        };
        let keys = std::mem::take(&mut self.keys);
        self.put(keys, Value { kind, place: span.into() }, error);
    }

    fn newline(&mut self, _: Span, _: &mut dyn ErrorSink) {
        // What a statement without a value leaves is no part of the next one's key.
        if self.open.is_empty() {
            self.keys.clear();
        }
    }
}
