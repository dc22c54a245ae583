//! Splits a command line into words as a POSIX shell does, keeping `{{...}}` in one piece.
//!
//! Quotes and backslashes only: nothing is expanded and `#` is no comment (POSIX.1-2024, Shell
//! Command Language, 2.2 Quoting). Variables stay pieces of their word, so that their values can
//! never split it.

use crate::text::template::{self, Path, Piece};
use std::ops::Range;

/// One word before its variables are expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The pieces of the word, in order; none for an empty quoted word.
    pub pieces: Vec<Piece>,
    /// The bytes of the text that the word takes.
    pub range: Range<usize>,
    quoted: bool,
}

impl Word {
    /// The only variable of an unquoted word: it may become several words.
    pub fn lone_variable(&self) -> Option<(&Path, &Range<usize>)> {
        match self.pieces.as_slice() {
            [Piece::Var(path, range)] if !self.quoted => Some((path, range)),
            _ => None,
        }
    }

    fn push(&mut self, c: char) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => self.pieces.push(Piece::Text(c.to_string())),
        }
    }
}

/// Splits `text` into words.
///
/// # Errors
/// A quote that is not closed, a backslash with nothing after it, or an invalid expression.
pub fn split(text: &str) -> Result<Vec<Word>, template::Error> {
    Splitter { text, at: 0, is_template: true }.words()
}

/// Splits `text` into words; braces have no meaning.
///
/// # Errors
/// A quote that is not closed, or a backslash with nothing after it.
pub fn split_plain(text: &str) -> Result<Vec<String>, template::Error> {
    let words = Splitter { text, at: 0, is_template: false }.words()?;
    let plain = |piece: Piece| match piece {
        Piece::Text(text) => text,
        Piece::Var(path, _) => path.to_string(),
    };
    Ok(words.into_iter().map(|word| word.pieces.into_iter().map(plain).collect()).collect())
}

struct Splitter<'a> {
    text: &'a str,
    at: usize,
    is_template: bool,
}

impl Splitter<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn words(mut self) -> Result<Vec<Word>, template::Error> {
        let mut words = Vec::new();
        while let Some(word) = self.word()? {
            words.push(word);
        }
        Ok(words)
    }

    fn word(&mut self) -> Result<Option<Word>, template::Error> {
        while self.peek().is_some_and(is_blank) || self.text[self.at..].starts_with("\\\n") {
            self.at += if self.peek() == Some('\\') { 2 } else { 1 };
        }
        let start = self.at;
        let mut word = Word { pieces: Vec::new(), range: start..start, quoted: false };
        while let Some(c) = self.peek().filter(|&c| !is_blank(c)) {
            match c {
                '\'' | '"' => self.quoted(c, &mut word)?,
                '\\' => self.backslash(&mut word)?,
                _ => self.plain(&mut word)?,
            }
        }
        word.range.end = self.at;
        Ok((self.at > start).then_some(word))
    }

    /// A variable, or one plain character.
    fn plain(&mut self, word: &mut Word) -> Result<(), template::Error> {
        if self.is_template
            && let Some((path, range)) = template::expression_at(self.text, self.at)?
        {
            self.at = range.end;
            word.pieces.push(Piece::Var(path, range));
        } else {
            word.push(self.next().unwrap_or_default());
        }
        Ok(())
    }

    fn backslash(&mut self, word: &mut Word) -> Result<(), template::Error> {
        let start = self.at;
        self.next();
        match self.next() {
            Some('\n') => {}
            Some(c) => {
                word.quoted = true;
                word.push(c);
            }
            None => return Err(self.error(start, "a backslash with nothing after it")),
        }
        Ok(())
    }

    fn quoted(&mut self, quote: char, word: &mut Word) -> Result<(), template::Error> {
        let start = self.at;
        self.next();
        word.quoted = true;
        loop {
            match self.peek() {
                None => return Err(self.error(start, &format!("a {quote} that is never closed"))),
                Some(c) if c == quote => break,
                Some('\\') if quote == '"' => self.backslash_in_double_quotes(word),
                Some(_) => self.plain(word)?,
            }
        }
        self.next();
        Ok(())
    }

    fn backslash_in_double_quotes(&mut self, word: &mut Word) {
        self.next();
        match self.peek() {
            Some('\n') => {
                self.next();
            }
            Some(c @ ('$' | '`' | '"' | '\\')) => {
                self.next();
                word.push(c);
            }
            _ => word.push('\\'),
        }
    }

    fn error(&self, start: usize, message: &str) -> template::Error {
        template::Error { range: start..self.text.len(), message: message.to_owned(), hint: None }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The words, with every variable written as its path.
    fn rendered(text: &str) -> Vec<String> {
        let render = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Var(path, _) => format!("<{path}>"),
        };
        let words = split(text).unwrap();
        words.iter().map(|word| word.pieces.iter().map(render).collect()).collect()
    }

    #[test]
    fn splits_as_a_shell() {
        for (text, words) in [
            ("-m 512  -smp\t2\n", &["-m", "512", "-smp", "2"][..]),
            ("", &[]),
            (r#"'a b' "c d" e\ f"#, &["a b", "c d", "e f"]),
            (r#""" ''"#, &["", ""]),
            (r#""a\"b\c" 'd\e'"#, &["a\"b\\c", "d\\e"]),
            ("a#b #c", &["a#b", "#c"]),
            ("a\\\nb \\\n c", &["ab", "c"]),
            ("$HOME * ~", &["$HOME", "*", "~"]),
            (r#"'{"a": {"b": 1}}'"#, &[r#"{"a": {"b": 1}}"#]),
            (r"\{{.a}}", &["{{.a}}"]),
        ] {
            assert_eq!(rendered(text), words, "{text:?}");
        }
    }

    #[test]
    fn keeps_expressions_whole() {
        assert_eq!(
            rendered(r#"-drive file={{ .a }},if={{index .b "c d"}} '{{.e}} f'"#),
            ["-drive", "file=<.a>,if=<index .b \"c d\">", "<.e> f"]
        );
    }

    #[test]
    fn plain_text_has_no_expressions() {
        let words = ["-m", "{{", "1", "}}", "{{.a  }}"];
        assert_eq!(split_plain("-m {{ 1 }} '{{.a  }}'").unwrap(), words);
        assert_eq!(split_plain("{{.a").unwrap(), ["{{.a"]);
    }

    #[test]
    fn knows_the_lone_unquoted_variable() {
        let lone = |text: &str| split(text).unwrap()[0].lone_variable().is_some();
        assert!(lone("{{.a}}"));
        assert!(lone("  {{ .a }}  b"));
        for text in ["x{{.a}}", "{{.a}}{{.b}}", "'{{.a}}'", "\"{{.a}}\"", "''{{.a}}", "{{.a}}\\ "] {
            assert!(!lone(text), "{text}");
        }
    }

    #[test]
    fn refuses_what_a_shell_would_wait_for() {
        assert_eq!(split("a 'b").unwrap_err().message, "a ' that is never closed");
        assert_eq!(split("a \"b").unwrap_err().range, 2..4);
        assert_eq!(split("a\\").unwrap_err().message, "a backslash with nothing after it");
    }

    proptest! {
        #[test]
        fn reads_back_what_shlex_quotes(words in prop::collection::vec("[^{\0]*", 0..6)) {
            let line = shlex::try_join(words.iter().map(String::as_str)).unwrap();
            prop_assert_eq!(rendered(&line), words);
        }

        #[test]
        fn agrees_with_shlex_on_any_quoting(text in r#"[a ='"\\]{0,24}"#) {
            if let Some(expected) = shlex::split(&text) {
                prop_assert_eq!(rendered(&text), expected);
            }
        }
    }
}
