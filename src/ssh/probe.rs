//! Finds out whether the guest's SSH server is up. An open port on the host does not prove that:
//! QEMU accepts every connection at once, and only then connects to the guest.
//!
//! A connection that the guest does not answer stays in QEMU, even after we close it, and reaches
//! the server when the guest's network is up. A server that sees many connections without a login
//! shuts the host out (`PerSourcePenalties`, sshd_config(5)). So qqmgr opens few, keeps each until
//! it ends, and only listens: a server speaks first (RFC 4253, 4.2).

use super::tries::Tries;
use crate::sys::deadline;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Shared by the tries to reach a server and the observer of the guest.
#[derive(Debug, Default)]
pub struct Signs {
    /// A try is worth it: the guest's network card or serial port shows activity.
    pub hint: Notify,
    /// The guest has refused a connection: its network is up, and the server is not.
    pub refused: AtomicBool,
}

/// Waits until a server in the guest greets on this address of the host; the real client comes
/// next. `booting` is true for a VM that was just started and whose guest has shown no sign.
pub async fn answer(address: (&str, u16), signs: &Signs, booting: bool) {
    let mut tries = Tries::new(booting);
    let mut pending = FuturesUnordered::new();
    loop {
        let next = tries.next(pending.len());
        tokio::select! {
            biased;
            Some((opened, answered)) = pending.next() => {
                let answered: Option<bool> = answered;
                let early = tries.ended(opened);
                if answered == Some(true) {
                    return;
                }
                signs.refused.store(early && answered.is_some(), Ordering::Relaxed);
            }
            () = signs.hint.notified() => tries.hinted(pending.len()),
            () = deadline::at(next) => {
                tries.opened(pending.len());
                let opened = Instant::now();
                pending.push(async move { (opened, is_answered(address).await) });
            }
        }
    }
}

/// Whether a new connection receives anything before it ends; `None` if the host itself refuses it.
async fn is_answered(address: (&str, u16)) -> Option<bool> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    // Read the whole greeting: a close with unread data would reset the connection.
    Some(stream.read(&mut [0; 256]).await.is_ok_and(|count| count > 0))
}

#[cfg(test)]
mod tests {
    use super::super::tries::PLACES;
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    const LOCALHOST: &str = "127.0.0.1";

    /// Plays QEMU's user network, which accepts everything.
    async fn qemu() -> (TcpListener, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    async fn greet(listener: &TcpListener) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-guest\r\n").await.unwrap();
        stream
    }

    #[tokio::test]
    async fn ends_with_an_answer() {
        let (listener, port) = qemu().await;
        let signs = Signs::default();
        let ((), mut stream) =
            tokio::join!(answer((LOCALHOST, port), &signs, false), greet(&listener));
        // We wrote nothing, and hung up.
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn tries_again_when_refused() {
        let (listener, port) = qemu().await;
        let server = async {
            for _ in 0..5 {
                drop(listener.accept().await.unwrap());
            }
            greet(&listener).await
        };
        let signs = Signs::default();
        tokio::join!(answer((LOCALHOST, port), &signs, false), server);
    }

    #[tokio::test]
    async fn an_older_connection_may_be_the_one_that_is_answered() {
        let (listener, port) = qemu().await;
        let signs = Signs::default();
        let server = async {
            let (mut first, _) = listener.accept().await.unwrap();
            signs.hint.notify_one();
            let _second = listener.accept().await.unwrap();
            first.write_all(b"S").await.unwrap();
        };
        tokio::join!(answer((LOCALHOST, port), &signs, false), server);
    }

    /// Time is paused here, and jumps when every task waits.
    #[tokio::test(start_paused = true)]
    async fn never_has_more_than_its_places() {
        let (listener, port) = qemu().await;
        let signs = Signs::default();
        let server = async {
            let (mut streams, mut most) = (Vec::new(), 0);
            for second in 0..600 {
                let later = tokio::time::sleep(Duration::from_secs(1));
                tokio::pin!(later);
                loop {
                    tokio::select! {
                        accepted = listener.accept() => streams.push((second, accepted.unwrap())),
                        () = &mut later => break,
                    }
                }
                most = most.max(streams.len());
                streams.retain(|(opened, _)| opened + 75 > second);
                signs.hint.notify_one();
            }
            most
        };
        tokio::select! {
            () = answer((LOCALHOST, port), &signs, false) => panic!("nobody has answered"),
            most = server => assert_eq!(most, PLACES),
        }
    }

    /// What a wait costs: only a new connection or a hint wakes it.
    #[tokio::test(start_paused = true)]
    async fn sleeps_while_nothing_happens() {
        let (_listener, port) = qemu().await;
        let signs = Signs::default();
        let waiting = answer((LOCALHOST, port), &signs, false);
        tokio::pin!(waiting);
        let mut wakeups = 0;
        let counted = std::future::poll_fn(|context| {
            wakeups += 1;
            waiting.as_mut().poll(context)
        });
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, counted).await.is_err());
        assert!(wakeups < 20, "{wakeups}");
    }
}
