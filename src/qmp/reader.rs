//! Splits a byte stream into lines without doing I/O, so it can be tested with any split.
//!
//! QEMU ends each message with CR LF and sends no line break inside one ("General
//! Definitions"), so a line is a message.

/// The longest line accepted, in bytes, without its line ending: 16 MiB, several times the
/// largest reply that QEMU gives (`query-qmp-schema`, a few hundred KiB).
pub const MAX_LINE: usize = 16 << 20;

/// A line was longer than the limit; the stream can't be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

/// Collects bytes and gives them back line by line.
///
/// Takes time linear in the bytes pushed, however they are cut. Holds at most twice the
/// limit plus what was pushed since [`next_line`](LineReader::next_line) last returned `None`.
#[derive(Debug)]
pub struct LineReader {
    buffer: Vec<u8>,
    /// Where the first line not yet returned starts.
    start: usize,
    /// No line feed lies between `start` and here.
    scanned: usize,
    limit: usize,
    too_long: bool,
}

impl LineReader {
    /// An empty reader that accepts lines of up to [`MAX_LINE`] bytes.
    pub fn new() -> LineReader {
        LineReader::with_limit(MAX_LINE)
    }

    /// An empty reader that accepts lines of up to `limit` bytes, without their ending.
    pub fn with_limit(limit: usize) -> LineReader {
        LineReader { buffer: Vec::new(), start: 0, scanned: 0, limit, too_long: false }
    }

    /// Appends bytes from the stream. After a line that was too long, bytes are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.too_long {
            return;
        }
        // Moving the rest only when it is the smaller half keeps the total cost linear.
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete line without its LF or CR LF; `None` until more is pushed.
    ///
    /// `TooLong` comes as soon as the limit is passed, and then on every call.
    pub fn next_line(&mut self) -> Option<Result<&[u8], TooLong>> {
        let found = memchr::memchr(b'\n', &self.buffer[self.scanned..]);
        let end = found.map_or(self.buffer.len(), |offset| self.scanned + offset);
        let line = self.start..self.start + without_cr(&self.buffer[self.start..end]);
        if self.too_long || line.len() > self.limit {
            self.give_up();
            return Some(Err(TooLong { limit: self.limit }));
        }
        self.scanned = end;
        found?;
        self.start = end + 1;
        self.scanned = self.start;
        Some(Ok(&self.buffer[line]))
    }

    /// Whether [`next_line`](LineReader::next_line) has something to return.
    pub fn has_line(&mut self) -> bool {
        let found = memchr::memchr(b'\n', &self.buffer[self.scanned..]);
        self.scanned = found.map_or(self.buffer.len(), |offset| self.scanned + offset);
        found.is_some() || self.too_long || self.scanned - self.start > self.limit + 1
    }

    /// Drops everything that has not been returned; returns how many bytes that was.
    pub fn clear(&mut self) -> usize {
        let length = self.buffer.len() - self.start;
        *self = LineReader::with_limit(self.limit);
        length
    }

    fn give_up(&mut self) {
        *self = LineReader { too_long: true, ..LineReader::with_limit(self.limit) };
    }
}

/// The length of the line without the CR of its ending.
fn without_cr(line: &[u8]) -> usize {
    line.strip_suffix(b"\r").unwrap_or(line).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(reader: &mut LineReader, into: &mut Vec<Vec<u8>>) -> Result<(), TooLong> {
        while let Some(line) = reader.next_line() {
            into.push(line?.to_vec());
        }
        Ok(())
    }

    #[test]
    fn both_line_endings() {
        let mut reader = LineReader::new();
        reader.push(b"a\r\nb\n\nc\rd\r\r\nrest");
        let mut lines = Vec::new();
        drain(&mut reader, &mut lines).unwrap();
        assert_eq!(lines, [&b"a"[..], b"b", b"", b"c\rd\r"]);
        reader.push(b"\n");
        assert_eq!(reader.next_line(), Some(Ok(&b"rest"[..])));
        assert_eq!(reader.next_line(), None);
    }

    #[test]
    fn the_limit_is_exact_and_final() {
        let mut reader = LineReader::with_limit(4);
        reader.push(b"1234\r\n1234\r");
        assert_eq!(reader.next_line(), Some(Ok(&b"1234"[..])));
        assert_eq!(reader.next_line(), None);
        reader.push(b"\n12345");
        assert_eq!(reader.next_line(), Some(Ok(&b"1234"[..])));
        for _ in 0..3 {
            assert_eq!(reader.next_line(), Some(Err(TooLong { limit: 4 })));
            reader.push(b"\nok\n");
            assert!(reader.buffer.is_empty());
        }
    }

    #[test]
    fn a_megabytes_line_byte_by_byte() {
        let mut reader = LineReader::new();
        for _ in 0..4 << 20 {
            reader.push(b"x");
            assert_eq!(reader.next_line(), None);
        }
        reader.push(b"\n");
        assert_eq!(reader.next_line().unwrap().unwrap().len(), 4 << 20);
    }

    #[test]
    fn many_short_lines_read_one_per_push() {
        let mut reader = LineReader::new();
        reader.push(&b"x\n".repeat(1 << 20));
        for _ in 0..1 << 20 {
            reader.push(b"y");
            assert_eq!(reader.next_line(), Some(Ok(&b"x"[..])));
        }
        assert_eq!(reader.next_line(), None);
        reader.push(b"");
        assert!(reader.buffer.len() <= 2 << 20);
    }

    proptest! {
        /// However the stream is cut, and however often the reader is asked, the lines are the
        /// same.
        #[test]
        fn any_cut_gives_the_same_lines(
            lines in prop::collection::vec(("[a-z\r{}\"]{0,12}", any::<bool>()), 0..20),
            cuts in prop::collection::vec((1..9usize, any::<bool>()), 1..20),
        ) {
            let mut stream = Vec::new();
            let mut expected = Vec::new();
            for (line, crlf) in &lines {
                // Without a CR in the line ending, a CR at the end of the line would count as one.
                let line = if *crlf { line } else { line.trim_end_matches('\r') };
                stream.extend_from_slice(line.as_bytes());
                stream.extend_from_slice(if *crlf { b"\r\n" } else { b"\n" });
                expected.push(line.as_bytes().to_vec());
            }

            let mut reader = LineReader::with_limit(12);
            let mut got = Vec::new();
            let mut rest = &stream[..];
            for &(size, ask) in cuts.iter().cycle() {
                let (piece, more) = rest.split_at(size.min(rest.len()));
                reader.push(piece);
                if ask {
                    drain(&mut reader, &mut got).unwrap();
                }
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            drain(&mut reader, &mut got).unwrap();
            prop_assert_eq!(got, expected);
        }
    }
}
