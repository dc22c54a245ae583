//! A session between a user and a port, without a VM.

use super::{Awaited, EndedBy, Ends, EscapeKey, Relay};
use regex::Regex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The output when the port sends these pieces, and what ended the relay.
async fn relayed(pieces: &[&str]) -> (String, EndedBy) {
    let (mut port, mut guest) = UnixStream::pair().unwrap();
    let until = Some(Awaited::new(Regex::new("begun").unwrap()));
    let ends = Ends { until, ..Ends::default() };
    let (input, _typing) = tokio::io::duplex(1);
    let mut relay = Relay::new(input, Vec::new(), Some(EscapeKey::default()), ends);
    let speaking = async {
        for piece in pieces {
            guest.write_all(piece.as_bytes()).await.unwrap();
            // Lets the relay run, so that it reads this piece alone.
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await
    };
    let by = tokio::select! {
        by = relay.run(&mut port) => by.unwrap(),
        () = speaking => unreachable!(),
    };
    (String::from_utf8(relay.into_output()).unwrap(), by)
}

#[tokio::test]
async fn the_line_with_what_is_awaited_is_the_last() {
    for (pieces, output) in [
        (&["a\nbegun and done\nmore\n"][..], "a\nbegun and done\n"),
        (&["be", "gun", " and", " done\nmore", "\n"], "begun and done\n"),
        (&["a\n", "begun> "], "a\nbegun> "),
    ] {
        assert_eq!(relayed(pieces).await, (output.to_owned(), EndedBy::Until), "{pieces:?}");
    }
}

#[tokio::test]
async fn what_was_said_in_time_is_not_lost_to_the_clock() {
    for _ in 0..10 {
        let (mut port, mut guest) = UnixStream::pair().unwrap();
        let ends = Ends { idle: Some(Duration::from_millis(5)), ..Ends::default() };
        let mut relay = Relay::new(tokio::io::empty(), Vec::new(), None, ends);
        let speaking = async {
            guest.write_all(b"said").await.unwrap();
            // The relay shares our thread: this makes it late.
            std::thread::sleep(Duration::from_millis(10));
        };
        let (by, ()) = tokio::join!(relay.run(&mut port), speaking);
        assert_eq!((by.unwrap(), relay.into_output()), (EndedBy::Idle, b"said".to_vec()));
    }
}

#[tokio::test]
async fn whoever_leaves_gets_their_colours_back() {
    let (mut port, mut guest) = UnixStream::pair().unwrap();
    let (input, mut typing) = tokio::io::duplex(1);
    let (output, mut shown) = tokio::io::duplex(64);
    let mut relay =
        Relay::new(input, output, Some(EscapeKey::default()), Ends::default()).harmless();
    let leaving = async {
        guest.write_all(b"\x1b[31mred").await.unwrap();
        let mut red = [0; 8];
        shown.read_exact(&mut red).await.unwrap();
        typing.write_all(b"\x1d").await.unwrap();
    };
    let (by, ()) = tokio::join!(relay.run(&mut port), leaving);
    drop(relay);
    let mut rest = String::new();
    shown.read_to_string(&mut rest).await.unwrap();
    assert_eq!((by.unwrap(), rest.as_str()), (EndedBy::User, "\x1b[0m"));
}

#[tokio::test]
async fn nobody_is_kept_by_an_output_that_takes_nothing() {
    let (mut port, mut guest) = UnixStream::pair().unwrap();
    let (input, _typing) = tokio::io::duplex(1);
    let (output, _shown) = tokio::io::duplex(1);
    let ends = Ends { timeout: Some(Duration::from_millis(1)), ..Ends::default() };
    guest.write_all(b"more than it takes").await.unwrap();
    let mut relay = Relay::new(input, output, Some(EscapeKey::default()), ends);
    assert_eq!(relay.run(&mut port).await.unwrap(), EndedBy::Timeout);
}
