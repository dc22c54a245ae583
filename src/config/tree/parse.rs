//! A whole document, statement by statement.

use super::Table;
use super::build::{Builder, DEEPEST};
use crate::config::{Diagnostic, Source};
use toml_parser::lexer::TokenKind;
use toml_parser::parser::{RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{Expected, ParseError};

/// The message about a key or table that is there twice.
pub(super) const DUPLICATE: &str = "duplicate key";

/// Parses a TOML document.
///
/// # Errors
/// Everything that is no TOML, in the order of the text.
pub fn parse(source: &Source) -> Result<Table<'_>, Vec<Diagnostic>> {
    if u32::try_from(source.text.len()).is_err() {
        return Err(vec![Diagnostic::new(0..0, "the file is longer than 4 GiB")]);
    }
    let text = toml_parser::Source::new(&source.text);
    let mut builder = Builder::new(text);
    let mut errors = Vec::new();
    // The tokens of all of the text would take several times the memory that it does itself.
    let mut statement = Vec::new();
    let mut brackets = Vec::new();
    for token in text.lex() {
        statement.push(token);
        match token.kind() {
            TokenKind::LeftSquareBracket => brackets.push(TokenKind::RightSquareBracket),
            TokenKind::LeftCurlyBracket => brackets.push(TokenKind::RightCurlyBracket),
            kind if brackets.last() == Some(&kind) => drop(brackets.pop()),
            _ => {}
        }
        let ends = match token.kind() {
            TokenKind::Newline => brackets.is_empty(),
            kind => kind == TokenKind::Eof,
        };
        if ends {
            let mut checked = ValidateWhitespace::new(&mut builder, text);
            let mut checked = RecursionGuard::new(&mut checked, DEEPEST as u32);
            parse_document(&statement, &mut checked, &mut errors);
            statement.clear();
        }
    }
    match errors.is_empty() {
        true => Ok(builder.finish()),
        false => Err(diagnostics(source, &errors)),
    }
}

/// The first error of each line: what the parser finds after it there is mostly its echo.
fn diagnostics(source: &Source, errors: &[ParseError]) -> Vec<Diagnostic> {
    let line = |offset: usize| source.location(offset).line;
    let diagnostic = |error: &ParseError| {
        let end = source.text.len();
        let span = error.unexpected().map_or(end..end, |span| span.start()..span.end());
        let diagnostic = Diagnostic::new(span, format!("not valid TOML: {}", message(error)));
        match error.context().filter(|_| error.description() == DUPLICATE) {
            Some(first) => {
                diagnostic.hint(format!("the first one is on line {}", line(first.start())))
            }
            None => diagnostic,
        }
    };
    let mut diagnostics: Vec<_> = errors.iter().map(diagnostic).collect();
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    diagnostics.dedup_by_key(|diagnostic| line(diagnostic.span.start));
    diagnostics
}

fn message(error: &ParseError) -> String {
    let expected = |expected: &Expected| match expected {
        Expected::Literal("\n") => "newline".to_owned(),
        Expected::Literal(text) => format!("`{text}`"),
        Expected::Description(what) => (*what).to_owned(),
        _ => "etc".to_owned(),
    };
    let wanted = match error.expected() {
        None => return error.description().to_owned(),
        Some([]) => "nothing".to_owned(),
        Some(wanted) => wanted.iter().map(expected).collect::<Vec<_>>().join(", "),
    };
    format!("{}, expected {wanted}", error.description())
}
