//! Looks for a regular expression in output as it arrives, line by line.

use crate::text::sanitize::Sanitizer;
use regex::Regex;

/// A longer line loses its beginning; in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// A regular expression to find in a line, finished or not: a prompt never is. Control sequences
/// are removed first, since shells hide some in their prompts.
pub struct Awaited {
    regex: Regex,
    sanitizer: Sanitizer,
    line: Vec<u8>,
}

impl Awaited {
    /// Looks for `regex`.
    pub fn new(regex: Regex) -> Awaited {
        Awaited { regex, sanitizer: Sanitizer::plain(), line: Vec::new() }
    }

    /// How many of these bytes belong to the line that matches and to those before it; `None` as
    /// long as no line matches.
    pub fn push(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut end = 0;
        // A line feed counts inside a control sequence, too.
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            end += part.len();
            self.sanitizer.push(part, &mut self.line);
            if self.line_matches() {
                return Some(end);
            }
            if part.ends_with(b"\n") {
                self.line.clear();
            }
            let excess = self.line.len().saturating_sub(LONGEST_LINE);
            self.line.drain(..excess);
        }
        None
    }

    fn line_matches(&self) -> bool {
        let text = String::from_utf8_lossy(&self.line);
        self.regex.is_match(text.trim_end_matches(['\r', '\n']))
    }
}

#[cfg(test)]
mod tests {
    use super::Awaited;
    use regex::Regex;

    fn found(regex: &str, chunks: &[&str]) -> bool {
        let mut awaited = Awaited::new(Regex::new(regex).unwrap());
        chunks.iter().any(|chunk| awaited.push(chunk.as_bytes()).is_some())
    }

    #[test]
    fn finds_it_in_one_line_however_torn() {
        assert!(found("login: $", &["Debian\r\nguest lo", "gin", ": "]));
        assert!(found("# $", &["\x1b[1m~ # \x1b[m\x1b[6n"]));
        assert!(found("^done$", &["begun\r\ndone\r\nmore\r\n"]));
        assert!(!found("a.*b", &["a\r\nb\r\n"]));
        assert!(!found("login: $", &["login: root\r\n"]));
    }

    #[test]
    fn tells_the_end_of_its_line() {
        let mut awaited = Awaited::new(Regex::new("b").unwrap());
        assert_eq!(awaited.push(b"a\n"), None);
        assert_eq!(awaited.push(b"a\x1b]0;\na b c\r\nd\n"), Some(13));
        assert_eq!(awaited.push(b" and"), Some(4));
    }

    #[test]
    fn a_line_without_end_is_forgotten_from_its_start() {
        let long = "x".repeat(100_000);
        assert!(!found("start.*end", &["start", &long, "end"]));
        assert!(found("xyz$", &[&long, "y", "z"]));
    }
}
