//! The user's terminal: raw for as long as the guest has it, and itself again on every way out.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, Write};
use std::sync::Mutex;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The terminal as it was, for as long as it is raw. Static, for the panic hook: a release build
/// aborts without unwinding.
static COOKED: Mutex<Option<Termios>> = Mutex::new(None);

/// What a guest may have left switched on: colours, a hidden cursor, bracketed paste, mouse
/// reports (xterm, "Control Sequences").
const UNDO: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l";

/// A raw terminal on standard input, until dropped.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Takes the terminal out of the way: every key goes to the guest, Ctrl-C too.
    ///
    /// # Errors
    /// Standard input is no terminal.
    pub fn enter() -> io::Result<RawMode> {
        let cooked = tcgetattr(io::stdin())?;
        let mut raw = cooked.clone();
        raw.make_raw();
        if let Ok(mut kept) = COOKED.lock() {
            *kept = Some(cooked);
        }
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            hook(panic);
        }));
        let mode = RawMode(());
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(mode)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let cooked = COOKED.lock().ok().and_then(|mut kept| kept.take());
    if let Some(cooked) = cooked {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &cooked);
        let mut stdout = io::stdout();
        if io::IsTerminal::is_terminal(&stdout) {
            let _ = stdout.write_all(UNDO).and_then(|()| stdout.write_all(b"\r\n"));
            let _ = stdout.flush();
        }
    }
}

/// The signals that end a program, caught so that the terminal can be restored first.
#[derive(Debug)]
pub struct Signals([(SignalKind, Signal); 4]);

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn catch() -> io::Result<Signals> {
        let caught = |kind| signal(kind).map(|signal| (kind, signal));
        Ok(Signals([
            caught(SignalKind::hangup())?,
            caught(SignalKind::interrupt())?,
            caught(SignalKind::quit())?,
            caught(SignalKind::terminate())?,
        ]))
    }

    /// The number of the next one.
    pub async fn next(&mut self) -> i32 {
        std::future::poll_fn(|context| {
            for (kind, signal) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(kind.as_raw_value());
                }
            }
            Poll::Pending
        })
        .await
    }
}
