//! Looks for a regular expression in output as it comes, line by line.

use crate::sanitize::Sanitizer;
use regex::Regex;

/// A longer line is forgotten from its start, in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// A regular expression to be found in a line, be it finished or not: a prompt never is. The
/// line is taken without control sequences, since shells hide some in their prompts.
#[derive(Debug)]
pub struct Awaited {
    regex: Regex,
    sanitizer: Sanitizer,
    line: Vec<u8>,
    found: bool,
}

impl Awaited {
    /// Looks for `regex`.
    pub fn new(regex: Regex) -> Awaited {
        Awaited { regex, sanitizer: Sanitizer::plain(), line: Vec::new(), found: false }
    }

    /// Whether it has been found in what was pushed so far, these bytes included.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let mut clean = Vec::new();
        self.sanitizer.push(bytes, &mut clean);
        for part in clean.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            self.found |= self.line_matches();
            if part.ends_with(b"\n") {
                self.line.clear();
            }
            let excess = self.line.len().saturating_sub(LONGEST_LINE);
            self.line.drain(..excess);
        }
        self.found
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
        chunks.iter().fold(false, |_, chunk| awaited.push(chunk.as_bytes()))
    }

    #[test]
    fn finds_it_in_one_line_however_torn() {
        assert!(found("login: $", &["Debian\r\nguest lo", "gin", ": "]));
        assert!(found("# $", &["\x1b[1m~ # \x1b[m\x1b[6n"]));
        assert!(found("^done$", &["begun\r\ndone\r\nmore\r\n"]));
        assert!(found("first", &["first\n", "second\n"]), "what was found stays found");
        assert!(!found("a.*b", &["a\r\nb\r\n"]));
        assert!(!found("login: $", &["login: root\r\n"]));
    }

    #[test]
    fn a_line_without_end_is_forgotten_from_its_start() {
        let long = "x".repeat(100_000);
        assert!(!found("start.*end", &["start", &long, "end"]));
        assert!(found("xyz$", &[&long, "y", "z"]));
    }
}
