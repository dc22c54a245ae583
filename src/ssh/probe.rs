//! Whether the guest is there to be logged in to, which a port on the host does not tell: QEMU
//! accepts a connection long before the guest does, and one that was opened too early can take
//! seconds to get through. So a fresh one is tried again and again until the guest has taken it.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a connection may take to get through; the more time has passed, the slower the guest,
/// or the machine, may be.
const PATIENCE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(4);

/// Between two looks at a connection.
const INTERVAL: Duration = Duration::from_millis(20);

/// The line with which a client begins (RFC 4253, 4.2). QEMU takes it from us when the guest has
/// taken the connection, and not before.
const GREETING: &[u8] = b"SSH-2.0-qqmgr\r\n";

/// Waits until the guest answers on the host's port: it takes a connection, or refuses it. What
/// comes after is left to the real client, as each connection is work for the guest.
pub async fn answer(port: u16) {
    let started = Instant::now();
    loop {
        let patience = (started.elapsed() / 16).clamp(*PATIENCE.start(), *PATIENCE.end());
        let next = Instant::now() + patience;
        if let Ok(true) = tokio::time::timeout_at(next, is_answered(port)).await {
            return;
        }
        tokio::time::sleep_until(next).await;
    }
}

/// Whether a connection to the port gets through to the guest or is refused; QEMU hangs up then.
async fn is_answered(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return false;
    };
    let (Ok(ours), Ok(())) = (stream.local_addr(), stream.write_all(GREETING).await) else {
        return true;
    };
    let mut byte = [0];
    while tokio::time::timeout(INTERVAL, stream.read(&mut byte)).await.is_err() {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        if unread(&table, port, ours.port()) == Some(0) {
            break;
        }
    }
    true
}

/// How many bytes the process at `port` has not read yet of the connection from `peer`
/// (proc_pid_net(5), `tcp`); `None` if there is no such connection.
fn unread(table: &str, port: u16, peer: u16) -> Option<u64> {
    let loopback = u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets());
    let [local, remote] = [port, peer].map(|port| format!("{loopback:08X}:{port:04X}"));
    table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let is_it = fields.next() == Some(&local) && fields.next() == Some(&remote);
        let (_sent, received) = fields.nth(1).filter(|_| is_it)?.split_once(':')?;
        u64::from_str_radix(received, 16).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn sees_what_is_unread() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let peer = client.local_addr().unwrap().port();
        client.write_all(b"1234").unwrap();
        let count = || unread(&std::fs::read_to_string("/proc/net/tcp").unwrap(), port, peer);
        // Not accepted yet, which is as good as not read.
        assert_eq!(count(), Some(4));
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(count(), Some(4));
        server.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(count(), Some(0));
        assert_eq!(unread("", port, peer), None);
    }
}
