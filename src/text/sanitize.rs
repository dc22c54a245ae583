//! Foreign output made harmless for a terminal, as it comes: what a guest writes must not move
//! the cursor about, set the window's title or make the terminal answer on its own.
//!
//! The grammar is that of ECMA-48 and of xterm's "Control Sequences". What is a control to a
//! terminal in UTF-8 is also one here: the C1 controls come as two bytes (U+0080 to U+009F), and
//! as single ones to a terminal that is not in UTF-8.

/// More than any colour needs, in bytes.
const LONGEST_SGR: usize = 64;

/// Lets text, colours (SGR) and movements within the line through; drops all other controls.
/// Sequences and characters may be torn between calls.
#[derive(Debug, Default)]
pub struct Sanitizer {
    state: State,
    /// The parameters of the CSI sequence, or the first bytes of the character, that is underway.
    pending: Vec<u8>,
    without_colours: bool,
    coloured: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// After ESC, and after intermediate bytes that follow it.
    Escape,
    /// After CSI, with its parameters kept for as long as it can still be a colour.
    Csi { colour: bool },
    /// In an OSC, DCS, SOS, PM or APC, up to its end.
    Text,
    /// In a character of several bytes.
    Character { length: usize },
}

impl Sanitizer {
    /// One that drops the colours too: what is left is the bare text.
    pub fn plain() -> Sanitizer {
        Sanitizer { without_colours: true, ..Sanitizer::default() }
    }

    /// Appends to `clean` what is harmless of `bytes`.
    pub fn push(&mut self, bytes: &[u8], clean: &mut Vec<u8>) {
        for &byte in bytes {
            match self.state {
                State::Ground => self.ground(byte, clean),
                State::Escape => self.escape(byte, clean),
                State::Csi { colour } => self.csi(byte, colour, clean),
                State::Text => self.text(byte, clean),
                State::Character { length } => self.character(byte, length, clean),
            }
        }
    }

    /// Forgets what is underway and appends what takes the terminal back to its own colours.
    pub fn finish(&mut self, clean: &mut Vec<u8>) {
        if self.coloured {
            clean.extend_from_slice(b"\x1b[0m");
        }
        *self = Sanitizer { without_colours: self.without_colours, ..Sanitizer::default() };
    }

    fn ground(&mut self, byte: u8, clean: &mut Vec<u8>) {
        match byte {
            0x1b => self.state = State::Escape,
            b'\n' | b'\r' | b'\t' | 0x08 | b' '..=b'~' => clean.push(byte),
            0x00..=0x1f | 0x7f => {}
            0x80..=0x9f => self.c1(byte),
            0xc2..=0xdf => self.begin_character(byte, 2),
            0xe0..=0xef => self.begin_character(byte, 3),
            0xf0..=0xf4 => self.begin_character(byte, 4),
            0xa0..=0xc1 | 0xf5..=0xff => replace(clean),
        }
    }

    /// ESC with a byte from `@` to `_` is the C1 control 0x40 higher (ECMA-48, 5.3).
    fn escape(&mut self, byte: u8, clean: &mut Vec<u8>) {
        match byte {
            b' '..=b'/' => {}
            b'@'..=b'_' => self.c1(byte + 0x40),
            b'0'..=b'~' => self.state = State::Ground,
            _ => self.cut_off(byte, clean),
        }
    }

    fn c1(&mut self, control: u8) {
        self.pending.clear();
        self.state = match control {
            0x9b => State::Csi { colour: true },
            0x90 | 0x98 | 0x9d..=0x9f => State::Text,
            _ => State::Ground,
        };
    }

    fn csi(&mut self, byte: u8, colour: bool, clean: &mut Vec<u8>) {
        match byte {
            b'0'..=b';' if colour && self.pending.len() < LONGEST_SGR => self.pending.push(byte),
            b' '..=b'?' => self.state = State::Csi { colour: false },
            b'@'..=b'~' => {
                self.state = State::Ground;
                if byte == b'm' && colour && !self.without_colours {
                    clean.extend_from_slice(b"\x1b[");
                    clean.extend_from_slice(&self.pending);
                    clean.push(b'm');
                    self.coloured = !matches!(self.pending[..], [] | [b'0']);
                }
            }
            _ => self.cut_off(byte, clean),
        }
    }

    /// A terminal would go on to the terminator. It never saw the beginning, so we can have the
    /// line after one that was cut off.
    fn text(&mut self, byte: u8, clean: &mut Vec<u8>) {
        match byte {
            0x07 | 0x18 | 0x1a | 0x9c => self.state = State::Ground,
            b'\n' | 0x1b => self.cut_off(byte, clean),
            _ => {}
        }
    }

    fn begin_character(&mut self, byte: u8, length: usize) {
        self.pending.clear();
        self.pending.push(byte);
        self.state = State::Character { length };
    }

    fn character(&mut self, byte: u8, length: usize, clean: &mut Vec<u8>) {
        if !matches!(byte, 0x80..=0xbf) {
            replace(clean);
            return self.cut_off(byte, clean);
        }
        self.pending.push(byte);
        if self.pending.len() < length {
            return;
        }
        self.state = State::Ground;
        match std::str::from_utf8(&self.pending) {
            Ok(_) if self.pending[0] == 0xc2 && byte < 0xa0 => self.c1(byte),
            Ok(_) => clean.extend_from_slice(&self.pending),
            Err(_) => replace(clean),
        }
    }

    /// `byte` does not belong to what is underway, which ends here.
    fn cut_off(&mut self, byte: u8, clean: &mut Vec<u8>) {
        self.state = State::Ground;
        self.ground(byte, clean);
    }
}

fn replace(clean: &mut Vec<u8>) {
    clean.extend_from_slice("\u{fffd}".as_bytes());
}

/// Foreign output as one can print it: control sequences, and control characters other than line
/// breaks, are dropped.
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
            (b"\x1b[1;31mred\x1b[m \x1b[38:2:1:2:3mrgb", "\x1b[1;31mred\x1b[m \x1b[38:2:1:2:3mrgb"),
            ("grün \u{1f427}\u{a0}".as_bytes(), "grün \u{1f427}\u{a0}"),
            (b"a\x1b[2J\x1b[H\x1b[?25lb\x1bc\x1b(Bc\x07\0\x7f", "abc"),
            (b"a\x1b]0;title\x07b\x1b]52;c;eA==\x1b\\c\x1bPq#0\x1b\\d\x1b_x\x1b\\e", "abcde"),
            (b"a\x1b[6n\x1b[c\x1b[18t\x1b[>4;2m\x1b[1 mb", "ab"),
            (b"a\x9b31mb\x9b2Jc\x9d0;t\x9cd\x85e", "a\x1b[31mbcde"),
            (b"a\xc2\x9b2Jb\xc2\x9d0;t\x07c\xc2\x85d", "abcd"),
            (b"a\x1b]0;never ended\nb\x1b[31\nc\x1b\nd", "a\nb\nc\nd"),
            (b"\xff\xc3(\xe2\x82z\xed\xa0\x80", "\u{fffd}\u{fffd}(\u{fffd}z\u{fffd}"),
        ] {
            let whole = clean(Sanitizer::default(), &[dirty]);
            assert_eq!(whole, expected, "{}", dirty.escape_ascii());
        }
    }

    #[test]
    fn a_sequence_without_end_takes_no_memory() {
        let mut sanitizer = Sanitizer::default();
        let mut clean = Vec::new();
        sanitizer.push(b"\x1b[", &mut clean);
        sanitizer.push(&vec![b'1'; 1 << 20], &mut clean);
        assert!(sanitizer.pending.capacity() <= 128 && clean.is_empty());
        sanitizer.push(b"mx", &mut clean);
        assert_eq!(clean, b"x");
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

    /// Pieces of which sequences are made, so that chance meets them.
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
