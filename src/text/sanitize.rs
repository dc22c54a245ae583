//! Makes foreign output harmless for a terminal, as it arrives: a guest's output must not move the
//! cursor, set the window's title or make the terminal send an answer.
//!
//! C1 controls, with which xterm also begins a sequence (U+009B for ESC `[`), are dropped alone:
//! what follows one is shown as text.

use std::char::REPLACEMENT_CHARACTER;
use std::io::Write;
use vte::{Params, Parser, Perform};

/// Passes text, colours (SGR) and movements within the line; drops all other controls. Calls may
/// split sequences and characters.
#[derive(Default)]
pub struct Sanitizer {
    parser: Parser,
    clean: Clean,
    /// The first bytes of an incomplete character.
    partial: Vec<u8>,
}

/// The output that is passed on.
#[derive(Default)]
struct Clean {
    bytes: Vec<u8>,
    without_colours: bool,
    coloured: bool,
}

impl Sanitizer {
    /// A sanitizer that also drops colours: only the bare text is left.
    pub fn plain() -> Sanitizer {
        let clean = Clean { without_colours: true, ..Clean::default() };
        Sanitizer { clean, ..Sanitizer::default() }
    }

    /// Appends the harmless part of `bytes` to `clean`.
    pub fn push(&mut self, bytes: &[u8], clean: &mut Vec<u8>) {
        self.partial.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.partial);
        let mut text = String::new();
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let cut_off = std::str::from_utf8(chunk.invalid()).err();
            match cut_off.filter(|error| error.error_len().is_none() && chunks.peek().is_none()) {
                Some(_) => self.partial = chunk.invalid().to_owned(),
                None if chunk.invalid().is_empty() => {}
                None => text.push(REPLACEMENT_CHARACTER),
            }
        }
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                // A terminal would wait for the end of a sequence. It never saw the beginning, so
                // the line after an incomplete sequence can be shown.
                self.parser = Parser::new();
                self.clean.bytes.push(b'\n');
            }
            self.parser.advance(&mut self.clean, line.as_bytes());
        }
        clean.append(&mut self.clean.bytes);
    }

    /// Drops an incomplete sequence and appends what resets the terminal's colours.
    pub fn finish(&mut self, clean: &mut Vec<u8>) {
        if std::mem::take(&mut self.clean.coloured) {
            clean.extend_from_slice(b"\x1b[0m");
        }
        self.parser = Parser::new();
        self.partial.clear();
    }
}

impl Perform for Clean {
    fn print(&mut self, c: char) {
        if !c.is_control() {
            self.bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn execute(&mut self, byte: u8) {
        if matches!(byte, b'\r' | b'\t' | 0x08) {
            self.bytes.push(byte);
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if action != 'm' || !intermediates.is_empty() || ignore || self.without_colours {
            return;
        }
        let join = |numbers: &[u16], by: &str| {
            numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(by)
        };
        let colours: Vec<_> = params.iter().map(|subparams| join(subparams, ":")).collect();
        let colours = colours.join(";");
        self.coloured = colours != "0";
        // Writing to memory can't fail.
        let _ = write!(self.bytes, "\x1b[{colours}m");
    }
}

/// Foreign output that is safe to print: without control sequences, and without control characters
/// other than line breaks.
pub fn harmless(bytes: &[u8]) -> String {
    let mut clean = Vec::new();
    Sanitizer::plain().push(bytes, &mut clean);
    let text = String::from_utf8_lossy(&clean);
    let kept = text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control());
    kept.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Sanitizer, harmless};
    use proptest::prelude::*;

    fn clean(mut sanitizer: Sanitizer, chunks: &[&[u8]]) -> String {
        let mut clean = Vec::new();
        for chunk in chunks {
            sanitizer.push(chunk, &mut clean);
        }
        String::from_utf8(clean).unwrap()
    }

    #[test]
    fn keeps_text_colour_and_movement_in_the_line() {
        for (dirty, expected) in [
            (&b"a\r\nb\tc\x08d"[..], "a\r\nb\tc\x08d"),
            (
                b"\x1b[1;31mred\x1b[m \x1b[38:2:1:2:3mrgb",
                "\x1b[1;31mred\x1b[0m \x1b[38:2:1:2:3mrgb",
            ),
            ("grün \u{1f427}\u{a0}".as_bytes(), "grün \u{1f427}\u{a0}"),
            (b"a\x1b[2J\x1b[H\x1b[?25lb\x1bc\x1b(Bc\x07\0\x7f", "abc"),
            (b"a\x1b]0;title\x07b\x1b]52;c;eA==\x1b\\c\x1bPq#0\x1b\\d\x1b_x\x1b\\e", "abcde"),
            (b"a\x1b[6n\x1b[c\x1b[18t\x1b[>4;2m\x1b[1 mb", "ab"),
            (
                b"a\x9b31mb\x9b2Jc\x9d0;t\x9cd\x85e",
                "a\u{fffd}31mb\u{fffd}2Jc\u{fffd}0;t\u{fffd}d\u{fffd}e",
            ),
            (b"a\xc2\x9b2Jb\xc2\x9d0;t\x07c\xc2\x85d", "a2Jb0;tcd"),
            (b"a\x1b]0;never ended\nb\x1b[31\nc\x1b\nd", "a\nb\nc\nd"),
            (
                b"\xff\xc3(\xe2\x82z\xed\xa0\x80",
                "\u{fffd}\u{fffd}(\u{fffd}z\u{fffd}\u{fffd}\u{fffd}",
            ),
        ] {
            let whole = clean(Sanitizer::default(), &[dirty]);
            assert_eq!(whole, expected, "{}", dirty.escape_ascii());
        }
    }

    #[test]
    fn a_sequence_without_end_takes_no_memory() {
        for (begin, end, shown) in [("\x1b[", "mx", "\x1b[65535mx"), ("\x1b]", "\x07x", "x")] {
            let mut sanitizer = Sanitizer::default();
            let mut clean = Vec::new();
            sanitizer.push(begin.as_bytes(), &mut clean);
            sanitizer.push(&vec![b'1'; 1 << 20], &mut clean);
            assert!(clean.is_empty() && sanitizer.clean.bytes.capacity() == 0);
            sanitizer.push(end.as_bytes(), &mut clean);
            assert_eq!(clean, shown.as_bytes());
        }
    }

    #[test]
    fn ends_the_colours_that_it_let_through() {
        for (text, end) in
            [("\x1b[31mred", "\x1b[0m"), ("\x1b[31mred\x1b[0m", ""), ("x\x1b[2J\x1b[", "")]
        {
            let mut sanitizer = Sanitizer::default();
            sanitizer.push(text.as_bytes(), &mut Vec::new());
            let mut rest = Vec::new();
            sanitizer.finish(&mut rest);
            assert_eq!(rest, end.as_bytes());
        }
        assert_eq!(clean(Sanitizer::plain(), &[b"\x1b[31mred"]), "red");
    }

    /// Parts of sequences, so that random input contains sequences.
    fn dirt() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\x1b[".to_vec()),
            Just(b"\x1b]".to_vec()),
            Just(b"\x1b\\".to_vec()),
            Just(b"\xc2".to_vec()),
            "[0-9;:?>m@A-Zäß\n\r ]{0,4}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn lets_nothing_else_through(dirty in dirt()) {
            let clean = clean(Sanitizer::default(), &[&dirty]);
            let colour = regex::Regex::new("\x1b\\[[0-9:;]*m").unwrap();
            let rest = colour.replace_all(&clean, "");
            let harmless = |c: char| !c.is_control() || "\n\r\t\x08".contains(c);
            prop_assert!(rest.chars().all(harmless), "{rest:?}");
        }

        #[test]
        fn is_the_same_however_it_is_cut(dirty in dirt(), cut in 0..60usize) {
            let (a, b) = dirty.split_at(cut.min(dirty.len()));
            let whole = clean(Sanitizer::default(), &[&dirty]);
            prop_assert_eq!(clean(Sanitizer::default(), &[a, b]), whole.clone());
            let bytes: Vec<_> = dirty.chunks(1).collect();
            prop_assert_eq!(clean(Sanitizer::default(), &bytes), whole);
        }

        #[test]
        fn leaves_text_alone(text in "[^\\p{Cc}]*") {
            prop_assert_eq!(clean(Sanitizer::default(), &[text.as_bytes()]), text);
        }
    }

    #[test]
    fn drops_what_a_terminal_would_obey() {
        assert_eq!(harmless(b"a\x1b[2Jb\r\nc\x07\xff\n"), "ab\nc\u{fffd}");
    }
}
