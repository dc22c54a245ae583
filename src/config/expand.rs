//! Expands variables, to any depth, and splits command lines into words.

use super::lookup::{Failure, Found, Scope};
use crate::text::source::{Diagnostic, Text};
use crate::text::template::{self, Path, Piece};
use crate::text::words;
use std::collections::HashSet;
use std::ops::Range;

/// The longest argument that the kernel accepts (execve(2), MAX_ARG_STRLEN).
const LONGEST: usize = 128 * 1024 - 1;

/// How deep variables may be nested.
const DEEPEST: usize = 1000;

/// How many bytes variables may expand to in all texts of a VM, plus one for each: twice the size
/// of the arguments that the kernel accepts (execve(2), ARG_MAX).
const MOST: usize = 4 << 20;

/// Expands texts of one VM and collects the errors.
pub struct Expander<'a> {
    scope: Scope<'a>,
    /// The variables that are being expanded, the outermost first.
    trail: Vec<Path>,
    /// The variables already reported in a cycle: once is enough.
    cyclic: HashSet<Path>,
    /// The bytes expanded so far, counted as in [`MOST`].
    put_in: usize,
    /// Variables that double each other would take forever: no more are looked up after that.
    overflowed: bool,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Expander<'a> {
    pub fn new(scope: Scope<'a>) -> Self {
        Expander {
            scope,
            trail: Vec::new(),
            cyclic: HashSet::new(),
            put_in: 0,
            overflowed: false,
            diagnostics: Vec::new(),
        }
    }

    /// All errors, in the order of the file.
    pub fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
        self.diagnostics
    }

    /// Adds an error; two texts that use one bad variable make one error.
    pub fn note(&mut self, diagnostic: Diagnostic) {
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The text with its variables expanded.
    pub fn text(&mut self, text: &Text) -> String {
        let (pieces, errors) = template::scan(&text.value);
        errors.into_iter().for_each(|error| self.bad_syntax(text, error));
        self.join(text, &pieces)
    }

    /// The same, but passes each variable's value through `put_in`.
    pub fn text_with(&mut self, text: &Text, mut put_in: impl FnMut(&str) -> String) -> String {
        let (pieces, errors) = template::scan(&text.value);
        errors.into_iter().for_each(|error| self.bad_syntax(text, error));
        let pieces = pieces.iter().map(|piece| {
            let value = self.join(text, std::slice::from_ref(piece));
            if let Piece::Var(..) = piece { put_in(&value) } else { value }
        });
        pieces.collect()
    }

    /// The words of a command line, each with the bytes that it came from.
    pub fn words(&mut self, text: &Text) -> Vec<(String, Range<usize>)> {
        let words = words::split(&text.value).unwrap_or_else(|error| {
            self.bad_syntax(text, error);
            // Its variables may contain errors as well.
            self.text(text);
            Vec::new()
        });
        let mut result = Vec::new();
        for word in words {
            match word.lone_variable() {
                Some((path, range)) => {
                    let words = self.variable_words(text, path, range);
                    result.extend(words.into_iter().map(|word| (word, range.clone())));
                }
                None => result.push((self.join(text, &word.pieces), word.range)),
            }
        }
        result
    }

    /// The words of a variable that stands alone as a word.
    fn variable_words(&mut self, text: &Text, path: &Path, range: &Range<usize>) -> Vec<String> {
        match self.enter(text, path, range) {
            None => Vec::new(),
            Some(Found::Word(word)) => vec![word],
            Some(Found::Plain(value)) => match words::split_plain(&value) {
                Ok(words) => words,
                Err(error) => {
                    let what = format!("the value of `{{{{{path}}}}}` can't be split");
                    let span = self.scope.source.within(text, range);
                    self.note(Diagnostic::new(span, format!("{what}: {}", error.message)));
                    Vec::new()
                }
            },
            Some(Found::Template(value)) => {
                self.trail.push(path.clone());
                let words = self.words(value);
                self.trail.pop();
                words.into_iter().map(|(word, _)| word).collect()
            }
        }
    }

    fn join(&mut self, text: &Text, pieces: &[Piece]) -> String {
        let mut result = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(literal) => result.push_str(literal),
                Piece::Var(path, range) => match self.enter(text, path, range) {
                    None => {}
                    Some(Found::Plain(value) | Found::Word(value)) => result.push_str(&value),
                    Some(Found::Template(value)) => {
                        self.trail.push(path.clone());
                        result.push_str(&self.text(value));
                        self.trail.pop();
                    }
                },
            }
        }
        let fault = match result {
            _ if result.contains('\0') => "contains a NUL character, which an argument can't",
            _ if result.len() > LONGEST => "is longer than 128 KiB, the limit for an argument",
            _ => return result,
        };
        self.overflowed = true;
        self.note(Diagnostic::new(text.span.clone(), format!("this text {fault}")));
        String::new()
    }

    /// Looks up a variable, and stops at cycles and at endless growth.
    fn enter(&mut self, text: &Text, path: &Path, range: &Range<usize>) -> Option<Found<'a>> {
        let cycle = self.trail.iter().position(|passed| passed == path);
        if self.overflowed || cycle.is_none() && self.cyclic.contains(path) {
            return None;
        }
        let found = match cycle {
            Some(start) => Err(self.cycle(start, path)),
            None if self.trail.len() == DEEPEST => {
                let fault = format!("variables are nested more than {DEEPEST} levels deep");
                Err((fault, None))
            }
            None => self.scope.lookup(path),
        };
        self.put_in += 1 + found.as_ref().map_or(0, Found::len);
        self.overflowed = self.put_in > MOST;
        let failure = match found {
            _ if self.overflowed => {
                ("the variables of this VM expand to more than 4 MiB".to_owned(), None)
            }
            Ok(found) => return Some(found),
            Err(failure) => failure,
        };
        let (message, hint) = failure;
        let span = self.scope.source.within(text, range);
        self.note(Diagnostic { message, hint, span });
        None
    }

    /// Reports the members of a cycle, from the one at `start` of the trail back to it.
    fn cycle(&mut self, start: usize, path: &Path) -> Failure {
        let members = &self.trail[start..];
        self.cyclic.extend(members.iter().cloned());
        let names = members.iter().chain([path]).map(Path::to_string).collect::<Vec<_>>();
        (format!("these variables use each other in a cycle: {}", names.join(" -> ")), None)
    }

    fn bad_syntax(&mut self, text: &Text, error: template::Error) {
        let span = self.scope.source.within(text, &error.range);
        self.note(Diagnostic { message: error.message, hint: error.hint, span });
    }
}
