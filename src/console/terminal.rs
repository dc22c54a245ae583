//! The user's terminal: raw while the guest uses it, and restored however that ends.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::io::{self, IsTerminal};
use std::sync::Mutex;

/// The terminal's modes to restore. Static, for the panic hook: a release build aborts without
/// unwinding.
static KEPT: Mutex<Option<Termios>> = Mutex::new(None);

/// Resets what a guest may have left on: colours, a hidden cursor, bracketed paste, mouse reports
/// (xterm, "Control Sequences"). Then ends the line, and erases the screen below it.
const UNDO: &[u8] =
    b"\x1b[0m\x1b[?25h\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\r\n\x1b[J";

/// The terminal on standard input. Its modes are restored when this is dropped, even if another
/// program has changed them: a killed ssh leaves it raw.
#[derive(Debug)]
pub struct Terminal(());

impl Terminal {
    /// Saves the current modes.
    ///
    /// # Errors
    /// Standard input is not a terminal.
    pub fn keep() -> io::Result<Terminal> {
        let modes = tcgetattr(io::stdin())?;
        if let Ok(mut kept) = KEPT.lock() {
            *kept = Some(modes);
        }
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            hook(panic);
        }));
        Ok(Terminal(()))
    }

    /// Makes it raw: every key goes to the guest, also Ctrl-C.
    ///
    /// # Errors
    /// The terminal no longer exists.
    pub fn make_raw(&self) -> io::Result<()> {
        let mut raw = tcgetattr(io::stdin())?;
        raw.make_raw();
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, &raw)?)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let modes = KEPT.lock().ok().and_then(|mut kept| kept.take());
    // A terminal that no longer exists is not restored, and neither is one whose foreground is
    // another process group: to set its modes from the background would stop us (SIGTTOU,
    // termios(3)).
    let (Some(modes), Ok(now), false) = (modes, tcgetattr(io::stdin()), is_in_background()) else {
        return;
    };
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
    if now.local_modes != modes.local_modes && io::stdout().is_terminal() {
        undo();
    }
}

/// Not through [`io::stdout`]: a write that the terminal does not accept holds its lock.
fn undo() {
    let stdout = io::stdout();
    let mut writable = [PollFd::new(&stdout, PollFlags::OUT)];
    if poll(&mut writable, Some(&Timespec::default())) == Ok(1) {
        let _ = rustix::io::write(&stdout, UNDO);
    }
}

fn is_in_background() -> bool {
    // Another session's terminal has no foreground for us.
    tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground != getpgrp())
}
