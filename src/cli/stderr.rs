//! Standard error, and text with colours if a stream accepts them.

use super::patient::Patient;
use super::progress;
use super::quiet::is_quiet;
use anstream::AutoStream;
use anstream::stream::RawStream;
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::io::{self, Write};

pub const RED: Style = AnsiColor::Red.on_default().bold();
pub const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// Prints a note on standard error, unless the user asked for quiet.
pub fn note(text: impl Display) {
    if !is_quiet() {
        say(text);
    }
}

/// Prints a text on standard error in any case.
pub fn say(text: impl Display) {
    // If this fails, there is no other place to report it.
    let mut stderr = Patient(rustix::stdio::stderr());
    let _ = progress::aside(|| stderr.write_all(&styled(&io::stderr(), text)));
}

/// Prints a failure that is not an [`Error`] on standard error.
pub fn failure(text: impl Display) {
    say(format_args!("{RED}error{RED:#}: {text}"));
}

/// A text with a line break, and with its colours if the stream accepts them.
pub fn styled(stream: &impl RawStream, text: impl Display) -> Vec<u8> {
    let mut buffer = AutoStream::new(Vec::new(), AutoStream::choice(stream));
    // Writing to memory can't fail.
    let _ = writeln!(buffer, "{text}");
    buffer.into_inner()
}
