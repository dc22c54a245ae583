//! The client against a scripted peer on the other end of a socket pair.

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{Client, Error, MAX_LINE, Status};

const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 9, "minor": 9, "major": 9}, "package": "v9"}, "capabilities": ["oob"]}}"#;
const STOP: &str = r#"{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}"#;
const SHORT: Duration = Duration::from_millis(30);

/// The server's end.
struct Peer(BufReader<UnixStream>);

impl Peer {
    async fn send(&mut self, line: &str) {
        self.0.write_all(line.as_bytes()).await.unwrap();
        self.0.write_all(b"\r\n").await.unwrap();
    }

    /// The next request's command and id.
    async fn request(&mut self) -> (String, u64) {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        let request: Value = serde_json::from_str(&line).unwrap();
        assert!(line.ends_with("\r\n"), "{line:?}");
        let command = request["execute"].as_str().unwrap();
        (command.to_owned(), request["id"].as_u64().unwrap())
    }

    async fn reply(&mut self, id: u64, value: Value) {
        self.send(&json!({"return": value, "id": id}).to_string()).await;
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let test = async { timeout(Duration::from_secs(20), test).await };
    let done = runtime.enable_all().build().unwrap().block_on(test);
    done.expect("the test hangs")
}

/// A client in command mode and its peer.
async fn connected() -> (Client, Peer) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut peer = Peer(BufReader::new(theirs));
    let (client, ()) = tokio::join!(Client::handshake(ours), async {
        peer.send(GREETING).await;
        let (command, id) = peer.request().await;
        assert_eq!(command, "qmp_capabilities");
        peer.reply(id, json!({})).await;
    });
    (client.unwrap(), peer)
}

/// The error of a handshake that reads `bytes` and the end of the stream.
async fn handshake_with(bytes: &[u8]) -> Error {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (client, _) = tokio::join!(Client::handshake(ours), async {
        let sent = theirs.write_all(bytes).await;
        drop(theirs);
        sent
    });
    client.unwrap_err()
}

#[test]
fn greeting_in_pieces() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut peer = Peer(BufReader::new(theirs));
        let (client, ()) = tokio::join!(Client::handshake(ours), async {
            for byte in GREETING.as_bytes() {
                peer.0.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            peer.send("").await;
            let (_, id) = peer.request().await;
            peer.reply(id, json!({})).await;
        });
        let client = client.unwrap();
        assert_eq!(client.version().to_string(), "9.9.9");
        assert_eq!(client.version().package, "v9");
    });
}

#[test]
fn broken_handshakes() {
    run(async {
        assert!(matches!(handshake_with(b"").await, Error::Closed));
        assert!(matches!(handshake_with(b"{\"QMP\": ").await, Error::Closed));
        let html = handshake_with(b"<html>\n").await.to_string();
        assert_eq!(html, "bad QMP message (not JSON): <html>");
        let event = handshake_with(format!("{STOP}\n").as_bytes()).await;
        assert!(matches!(event, Error::Garbage { what: "not a greeting", .. }));
        let long = handshake_with(&vec![b'x'; 20 << 20]).await;
        assert!(matches!(long, Error::TooLong { limit: MAX_LINE }));
    });
}

#[test]
fn events_between_request_and_reply_are_kept() {
    run(async {
        let (mut client, mut peer) = connected().await;
        let (status, ()) = tokio::join!(client.query_status(), async {
            let (command, id) = peer.request().await;
            assert_eq!(command, "query-status");
            peer.send(STOP).await;
            let value = json!({"status": "paused", "running": false, "singlestep": false});
            peer.reply(id, value).await;
            peer.send(&STOP.replace("STOP", "RESUME")).await;
        });
        let paused = Status { status: "paused".into(), running: false };
        assert_eq!(status.unwrap(), paused);
        let event = client.event().await.unwrap();
        assert_eq!((event.name.as_str(), event.timestamp.microseconds), ("STOP", 2));
        assert_eq!(client.event().await.unwrap().name, "RESUME");
        drop(peer);
        assert!(matches!(client.event().await, Err(Error::Closed)));
    });
}

#[test]
fn a_refusal_leaves_the_connection_usable() {
    run(async {
        let (mut client, mut peer) = connected().await;
        let (results, ()) = tokio::join!(
            async {
                let refused = client.execute("eject", Some(json!({"id": "cd0"}))).await;
                (refused, client.human_monitor_command("info version").await)
            },
            async {
                let (_, id) = peer.request().await;
                let error = json!({"class": "DeviceNotFound", "desc": "no cd0"});
                peer.send(&json!({"error": error, "id": id}).to_string()).await;
                let (command, id) = peer.request().await;
                assert_eq!(command, "human-monitor-command");
                peer.reply(id, json!("9.9.9\r\n")).await;
            }
        );
        match results.0 {
            Err(Error::Command { command, class, desc }) => {
                assert_eq!([command, class, desc], ["eject", "DeviceNotFound", "no cd0"]);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(results.1.unwrap(), "9.9.9\r\n");
    });
}

#[test]
fn a_reply_to_a_client_that_is_gone() {
    run(async {
        let (mut client, mut peer) = connected().await;
        let running = json!({"status": "running", "running": true});
        let (status, ()) = tokio::join!(client.query_status(), async {
            let (_, id) = peer.request().await;
            peer.reply(2, json!({"status": "paused", "running": false})).await;
            peer.send(r#"{"return": {"status": "paused", "running": false}}"#).await;
            peer.send(r#"{"error": {"class": "GenericError", "desc": "?"}, "id": "x"}"#).await;
            peer.reply(id, running).await;
        });
        assert_eq!(status.unwrap().status, "running");
    });
}

#[test]
fn replies_that_are_none() {
    run(async {
        for (line, expected) in [
            ("nonsense", "not JSON"),
            (r#"{"error": {"class": "GenericError", "desc": "?"}}"#, "an error without an id"),
            (r#"{"return": 5, "id": ID}"#, "not a reply to this command"),
        ] {
            let (mut client, mut peer) = connected().await;
            let (status, ()) = tokio::join!(client.query_status(), async {
                let (_, id) = peer.request().await;
                peer.send(&line.replace("ID", &id.to_string())).await;
            });
            match status {
                Err(Error::Garbage { what, .. }) => assert_eq!(what, expected),
                other => panic!("{line}: {other:?}"),
            }
        }
    });
}

#[test]
fn end_of_stream_inside_a_reply() {
    run(async {
        let (mut client, mut peer) = connected().await;
        let (status, ()) = tokio::join!(client.query_status(), async {
            peer.request().await;
            peer.0.write_all(b"{\"return\": {").await.unwrap();
            drop(peer);
        });
        assert!(matches!(status, Err(Error::Closed)));
        assert!(matches!(client.query_status().await, Err(Error::Closed)));
    });
}

#[test]
fn the_late_reply_to_a_cancelled_request_is_dropped() {
    run(async {
        let (mut client, mut peer) = connected().await;
        assert!(timeout(SHORT, client.execute("slow", None)).await.is_err());
        let (_, slow) = peer.request().await;
        let (value, ()) = tokio::join!(client.execute("fast", None), async {
            let (_, fast) = peer.request().await;
            peer.reply(slow, json!("slow")).await;
            peer.reply(fast, json!("fast")).await;
        });
        assert_eq!(value.unwrap(), "fast");
    });
}

#[test]
fn a_request_cancelled_half_written_is_completed_first() {
    run(async {
        let (mut client, mut peer) = connected().await;
        let large = json!("x".repeat(4 << 20));
        assert!(timeout(SHORT, client.execute("large", Some(large))).await.is_err());
        let (value, ()) = tokio::join!(client.execute("small", None), async {
            let (command, large) = peer.request().await;
            assert_eq!(command, "large");
            peer.reply(large, json!("large")).await;
            let (command, small) = peer.request().await;
            assert_eq!(command, "small");
            peer.reply(small, json!("small")).await;
        });
        assert_eq!(value.unwrap(), "small");
    });
}

#[test]
fn a_line_in_pieces_survives_cancellation() {
    run(async {
        let (mut client, mut peer) = connected().await;
        let (head, tail) = STOP.split_at(30);
        peer.0.write_all(head.as_bytes()).await.unwrap();
        assert!(timeout(SHORT, client.event()).await.is_err());
        peer.send(tail).await;
        assert_eq!(client.event().await.unwrap().name, "STOP");
    });
}

/// The peer writes from its own thread, as fast as the socket accepts it.
#[test]
fn a_flood_of_events_starves_no_timeout() {
    run(async {
        let (mut client, peer) = connected().await;
        let mut flooder = peer.0.into_inner().into_std().unwrap();
        flooder.set_nonblocking(false).unwrap();
        let flood = std::thread::spawn(move || {
            let events = format!("{STOP}\r\n").repeat(100);
            while std::io::Write::write_all(&mut flooder, events.as_bytes()).is_ok() {}
        });
        let started = std::time::Instant::now();
        assert!(timeout(4 * SHORT, client.query_status()).await.is_err());
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        drop(client);
        flood.join().unwrap();
    });
}

#[test]
fn a_peer_that_reads_nothing_costs_only_the_deadline() {
    run(async {
        let (mut client, mut peer) = connected().await;
        for _ in 0..3 {
            assert!(timeout(SHORT, client.query_status()).await.is_err());
        }
        drop(client);
        let mut rest = String::new();
        peer.0.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest.lines().count(), 3);
    });
}
