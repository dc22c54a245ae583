//! Standard error, and text in the colours that are welcome on a stream.

use super::patient::Patient;
use super::progress;
use anstream::AutoStream;
use anstream::stream::RawStream;
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

pub const RED: Style = AnsiColor::Red.on_default().bold();
pub const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// Only errors are welcome.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on only errors are told.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether somebody watches standard error and wants to know how far things are.
pub fn wants_progress() -> bool {
    !QUIET.load(Ordering::Relaxed) && io::stderr().is_terminal()
}

/// Tells something beside the result, which is no error, on standard error.
pub fn note(text: impl Display) {
    if !QUIET.load(Ordering::Relaxed) {
        say(text);
    }
}

/// Tells something that has to be known.
pub fn say(text: impl Display) {
    // Where this can't be told, nothing can.
    let mut stderr = Patient(rustix::stdio::stderr());
    let _ = progress::aside(|| stderr.write_all(&styled(&io::stderr(), text)));
}

/// Tells a failure that is no [`Error`] on standard error.
pub fn failure(text: impl Display) {
    say(format_args!("{RED}error{RED:#}: {text}"));
}

/// A text and a line end, with its colours if they are welcome on that stream.
pub fn styled(stream: &impl RawStream, text: impl Display) -> Vec<u8> {
    let mut buffer = AutoStream::new(Vec::new(), AutoStream::choice(stream));
    // Memory takes it all.
    let _ = writeln!(buffer, "{text}");
    buffer.into_inner()
}
