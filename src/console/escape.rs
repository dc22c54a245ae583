//! Reads the escape key of a session at a terminal, and the key after it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::Instant;

/// Ctrl-], as in telnet and virsh.
const DEFAULT: u8 = 0x1d;

/// How long the session waits for the key after the escape key. If none comes, the session ends.
const PATIENCE: Duration = Duration::from_millis(500);

/// The key that leaves a session, if any does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EscapeKey(Option<u8>);

/// An order of the user to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To leave.
    Leave,
    /// A break on the serial line.
    Break,
}

/// Separates the user's orders from the input for the guest.
#[derive(Debug)]
pub(super) struct Keys {
    escape: EscapeKey,
    /// Until when the key after the escape key can come.
    pub deadline: Option<Instant>,
}

impl Default for EscapeKey {
    fn default() -> EscapeKey {
        EscapeKey(Some(DEFAULT))
    }
}

impl FromStr for EscapeKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<EscapeKey, &'static str> {
        match text.as_bytes() {
            b"none" => Ok(EscapeKey(None)),
            [b'^', key @ (b'@'..=b'_' | b'a'..=b'z')] => {
                Ok(EscapeKey(Some(key.to_ascii_uppercase() & 0x1f)))
            }
            _ => Err("write a control key, such as `^a` or `^]`, or `none`"),
        }
    }
}

impl fmt::Display for EscapeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, "Ctrl-{}", char::from(key | 0x40)),
            None => f.write_str("no key"),
        }
    }
}

impl Keys {
    pub fn new(escape: EscapeKey) -> Keys {
        Keys { escape, deadline: None }
    }

    /// Appends the guest's input to `out`. At an order it stops, and leaves the rest in `typed`.
    pub fn take(&mut self, typed: &mut Vec<u8>, out: &mut Vec<u8>) -> Option<Wish> {
        let mut keys = std::mem::take(typed).into_iter();
        while let Some(key) = keys.next() {
            let is_escape = self.escape == EscapeKey(Some(key));
            let wish = match (self.deadline.take(), key) {
                (None, _) if is_escape => {
                    self.deadline = Some(Instant::now() + PATIENCE);
                    continue;
                }
                (Some(_), b'b' | b'B') => Wish::Break,
                (Some(_), _) if !is_escape => Wish::Leave,
                _ => {
                    out.push(key);
                    continue;
                }
            };
            typed.extend(keys);
            return Some(wish);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys() {
        let shown = |text: &str| text.parse().map(|key: EscapeKey| key.to_string());
        assert_eq!(shown("^]"), Ok("Ctrl-]".to_owned()));
        assert_eq!(shown("^a"), Ok("Ctrl-A".to_owned()));
        assert_eq!(shown("none"), Ok("no key".to_owned()));
        for text in ["", "a", "^", "^1", "^ab"] {
            assert!(shown(text).is_err(), "{text}");
        }
        assert_eq!("^]".parse(), Ok(EscapeKey::default()));
    }

    #[test]
    fn takes_its_own_keys() {
        let take = |escape: &str, typed: &str| {
            let mut keys = Keys::new(escape.parse().unwrap());
            let (mut typed, mut out) = (typed.as_bytes().to_vec(), Vec::new());
            let wish = keys.take(&mut typed, &mut out);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            (text(&out), wish, text(&typed), keys.deadline.is_some())
        };
        let whole = |text: &str| text.to_owned();
        assert_eq!(take("^]", "ab"), (whole("ab"), None, whole(""), false));
        assert_eq!(take("^]", "a\x1d"), (whole("a"), None, whole(""), true));
        assert_eq!(take("^]", "\x1d\x1d."), (whole("\x1d."), None, whole(""), false));
        assert_eq!(take("^]", "a\x1dbc"), (whole("a"), Some(Wish::Break), whole("c"), false));
        assert_eq!(take("^]", "\x1d\rx"), (whole(""), Some(Wish::Leave), whole("x"), false));
        assert_eq!(take("^a", "\x1d\x01q"), (whole("\x1d"), Some(Wish::Leave), whole(""), false));
        assert_eq!(take("none", "\x1d."), (whole("\x1d."), None, whole(""), false));
    }
}
