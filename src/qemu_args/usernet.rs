//! QEMU's table of the user network's connections: what the monitor prints for `info usernet`.

use super::forwards::Forward;

/// A row of the table: `TCP[STATE]  FD  SOURCE PORT  DESTINATION PORT  RECVQ SENDQ`.
#[derive(Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// Protocol and state, such as `TCP[HOST_FORWARD]`.
    pub state: &'a str,
    /// QEMU's descriptor.
    pub fd: &'a str,
    /// The address that the connection came from, or that QEMU listens on; `*` for all.
    pub source: &'a str,
    /// The port of that address.
    pub source_port: u16,
    /// The port that the connection leads to.
    pub port: u16,
}

/// The rows of the table.
pub fn connections(table: &str) -> impl Iterator<Item = Connection<'_>> {
    table.lines().filter_map(|row| {
        let mut fields = row.split_whitespace();
        let (state, fd, source) = (fields.next()?, fields.next()?, fields.next()?);
        let source_port = fields.next()?.parse().ok()?;
        let port = fields.nth(1)?.parse().ok()?;
        Some(Connection { state, fd, source, source_port, port })
    })
}

/// Replaces port 0 by the port that QEMU picked, for each rule in the order of the table.
pub fn put_in_ports(forwards: &mut [Forward], table: &str) {
    let mut rows: Vec<_> = connections(table).collect();
    for forward in forwards.iter_mut().filter(|forward| forward.host_port == 0) {
        let state = format!("{}[HOST_FORWARD]", forward.protocol.to_uppercase());
        let address = if forward.host_address.is_empty() { "*" } else { &forward.host_address };
        let is_it = |row: &Connection| {
            row.state == state && row.port == forward.guest_port && row.source == address
        };
        if let Some(at) = rows.iter().position(is_it) {
            forward.host_port = rows.remove(at).source_port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Hub -1 (n0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   43       127.0.0.1 40423       10.0.2.15    22     0     0
  TCP[HOST_FORWARD]  14               * 41000       10.0.2.15    80     0     0
  UDP[HOST_FORWARD]  13       127.0.0.1 42000       10.0.2.15    53     0     0
  TCP[HOST_FORWARD]  12       127.0.0.1 43000       10.0.2.15    80     0     0
";

    #[test]
    fn reads_qemus_table() {
        let rows: Vec<_> = connections(TABLE).collect();
        assert_eq!(rows.len(), 4);
        let first = Connection {
            state: "TCP[ESTABLISHED]",
            fd: "43",
            source: "127.0.0.1",
            source_port: 40423,
            port: 22,
        };
        assert_eq!(rows[0], first);
    }

    #[test]
    fn finds_the_ports_that_qemu_picked() {
        let rules = "user,hostfwd=tcp:127.0.0.1:0-:80,hostfwd=tcp::0-:80,hostfwd=udp:127.0.0.1:0-:53,\
                     hostfwd=tcp::5-:80,hostfwd=tcp:127.0.0.1:0-:81";
        let mut forwards = super::super::forwards([rules]);
        put_in_ports(&mut forwards, TABLE);
        let ports: Vec<_> = forwards.iter().map(|forward| forward.host_port).collect();
        assert_eq!(ports, [43000, 41000, 42000, 5, 0]);
    }
}
