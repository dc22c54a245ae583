//! Catches the signals that end a program, so that it can clean up first.

use std::io;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that are caught.
#[derive(Debug)]
pub struct Signals(Vec<(SignalKind, Signal)>);

impl Signals {
    /// Catches these from now on, except those that the parent process has set to be ignored, as
    /// nohup(1) does.
    ///
    /// # Errors
    /// The system refuses.
    pub fn catch(kinds: &[SignalKind]) -> io::Result<Signals> {
        let heeded = kinds.iter().filter(|kind| !is_ignored(**kind));
        let caught = heeded.map(|kind| Ok((*kind, signal(*kind)?)));
        Ok(Signals(caught.collect::<io::Result<_>>()?))
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

/// A signal's effect on us, in words.
pub fn describe(number: i32) -> String {
    match rustix::process::Signal::from_named_raw(number) {
        Some(rustix::process::Signal::HUP) => "hung up".to_owned(),
        Some(rustix::process::Signal::INT) => "interrupted".to_owned(),
        Some(rustix::process::Signal::TERM) => "terminated".to_owned(),
        _ => format!("ended by signal {number}"),
    }
}

fn is_ignored(kind: SignalKind) -> bool {
    let status = procfs::process::Process::myself().and_then(|us| us.status());
    status.is_ok_and(|status| status.sigign & 1 << (kind.as_raw_value() - 1) != 0)
}
