//! The user's terminal: raw for as long as the guest has it, and itself again on every way out.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::io::{self, IsTerminal};
use std::sync::Mutex;

/// The terminal's modes that are to come back. Static, for the panic hook: a release build aborts
/// without unwinding.
static KEPT: Mutex<Option<Termios>> = Mutex::new(None);

/// What a guest may have left switched on: colours, a hidden cursor, bracketed paste, mouse
/// reports (xterm, "Control Sequences"); and a line of our own, with nothing of the guest's below.
const UNDO: &[u8] =
    b"\x1b[0m\x1b[?25h\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\r\n\x1b[J";

/// The terminal on standard input, whose modes come back when this is dropped, whoever has changed
/// them meanwhile: an ssh that is killed leaves it raw.
#[derive(Debug)]
pub struct Terminal(());

impl Terminal {
    /// Keeps its modes as they are now.
    ///
    /// # Errors
    /// Standard input is no terminal.
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

    /// Takes it out of the way: every key goes to the guest, Ctrl-C too.
    ///
    /// # Errors
    /// It is gone.
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
    // One that is gone needs no restoring, and one that has others in its foreground is theirs: to
    // set its modes from behind them would stop us (SIGTTOU, termios(3)).
    let (Some(modes), Ok(now), false) = (modes, tcgetattr(io::stdin()), is_in_background()) else {
        return;
    };
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
    if now.local_modes != modes.local_modes && io::stdout().is_terminal() {
        undo();
    }
}

/// Not by way of [`io::stdout`], whose lock a write has that the terminal does not take.
fn undo() {
    let stdout = io::stdout();
    let mut writable = [PollFd::new(&stdout, PollFlags::OUT)];
    if poll(&mut writable, Some(&Timespec::default())) == Ok(1) {
        let _ = rustix::io::write(&stdout, UNDO);
    }
}

fn is_in_background() -> bool {
    // It may be no controlling terminal of ours: then it has no foreground, either.
    tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground != getpgrp())
}
