//! Errors on a QMP connection, grouped by what the caller can do about them.

use std::io;

use super::reader::TooLong;

const EXCERPT_CHARS: usize = 80;

/// Why a QMP exchange failed.
///
/// After [`Error::Command`] the connection still works; after any other it should be dropped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer closed or reset the connection, between two messages or inside one.
    #[error("the QMP connection was closed")]
    Closed,
    /// The socket failed in another way.
    #[error("the QMP connection failed: {0}")]
    Io(io::Error),
    /// The peer sent something that QMP does not allow at that point.
    #[error("bad QMP message ({what}): {excerpt}")]
    Garbage {
        /// What is wrong with it, such as `not JSON`.
        what: &'static str,
        /// Its beginning: at most 80 characters, all of them printable.
        excerpt: String,
    },
    /// The peer sent a line longer than the reader accepts.
    #[error("a QMP message is longer than {limit} bytes")]
    TooLong {
        /// The longest line accepted, in bytes.
        limit: usize,
    },
    /// QEMU understood the request and refused it ("Server Responses", "error").
    #[error("{command}: {desc}")]
    Command {
        /// The command that was refused.
        command: String,
        /// QEMU's error class, `GenericError` for nearly all.
        class: String,
        /// QEMU's own words, meant for people and not sanitised.
        desc: String,
    },
}

impl Error {
    pub(super) fn garbage(what: &'static str, message: &[u8]) -> Error {
        let excerpt = excerpt(message);
        Error::Garbage { what, excerpt }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Error::Closed,
            _ => Error::Io(error),
        }
    }
}

impl From<TooLong> for Error {
    fn from(TooLong { limit }: TooLong) -> Error {
        Error::TooLong { limit }
    }
}

/// The bytes come from any process that listens on the socket, so they must be sanitised for a
/// terminal: no escape sequences, no bidirectional overrides.
fn excerpt(message: &[u8]) -> String {
    // A character takes at most four bytes, so the excerpt contains nothing after these.
    let head = &message[..message.len().min(4 * (EXCERPT_CHARS + 1))];
    let mut text = String::new();
    let mut room = EXCERPT_CHARS;
    for c in String::from_utf8_lossy(head).chars() {
        let shown: String = match c {
            '"' | '\'' | '\\' => c.into(),
            _ => c.escape_debug().collect(),
        };
        let width = shown.chars().count();
        if width >= room {
            text.push('…');
            break;
        }
        room -= width;
        text.push_str(&shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_keeps_json_readable() {
        let json = br#"{"return": "a\\b", "id": 'x'}"#;
        assert_eq!(excerpt(json).as_bytes(), json);
    }

    #[test]
    fn excerpt_is_printable() {
        let text = excerpt("\x1b[31m\u{202e}\r\n\u{9b}é".as_bytes());
        assert_eq!(text, r"\u{1b}[31m\u{202e}\r\n\u{9b}é");
        assert_eq!(excerpt(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn excerpt_has_at_most_80_characters() {
        for message in ["x".repeat(79), "x".repeat(5000), "\u{1b}".repeat(500), "é".repeat(500)] {
            let text = excerpt(message.as_bytes());
            assert!(text.chars().count() <= EXCERPT_CHARS, "{text}");
            assert_eq!(text.ends_with('…'), message.chars().count() > 79);
        }
    }

    #[test]
    fn hang_ups_are_closed() {
        assert!(matches!(io::Error::from(io::ErrorKind::BrokenPipe).into(), Error::Closed));
        assert!(matches!(io::Error::from(io::ErrorKind::OutOfMemory).into(), Error::Io(_)));
    }
}
