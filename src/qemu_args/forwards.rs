//! Finds the ports that a command line forwards into the guest.

use super::properties::Properties;

/// A port of the host that QEMU's user network forwards into the guest.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Forward {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The host's address; empty for all.
    pub host_address: String,
    /// The host's port.
    pub host_port: u16,
    /// The guest's port.
    pub guest_port: u16,
}

impl Forward {
    /// Reads a rule, `[tcp|udp]:[ADDR]:PORT-[ADDR]:PORT`.
    pub(super) fn parse(rule: &str) -> Option<Forward> {
        let (protocol, rest) = rule.split_once(':')?;
        let (host, guest) = rest.rsplit_once('-')?;
        let (host_address, host_port) = host.rsplit_once(':')?;
        let (_, guest_port) = guest.rsplit_once(':')?;
        Some(Forward {
            protocol: if protocol.is_empty() { "tcp" } else { protocol }.to_owned(),
            host_address: host_address.to_owned(),
            host_port: host_port.parse().ok()?,
            guest_port: guest_port.parse().ok()?,
        })
    }

    /// The address to connect to; a port on all addresses is reached on the host itself.
    pub fn address(&self) -> (&str, u16) {
        match self.host_address.trim_matches(['[', ']']) {
            "" => ("0.0.0.0", self.host_port),
            address => (address, self.host_port),
        }
    }
}

/// The ports that a command line forwards: `hostfwd=RULE` of `-netdev user` and `-nic user` (QEMU
/// manual, "Network options"), or in JSON `"hostfwd": [{"str": RULE}]`.
pub fn forwards<'a>(args: impl IntoIterator<Item = &'a str>) -> Vec<Forward> {
    let with_rules = args.into_iter().filter(|arg| arg.contains("hostfwd"));
    let properties = with_rules.flat_map(|arg| Properties::parse(arg).0);
    let rules = properties.filter(|(key, _)| key == "hostfwd" || key.starts_with("hostfwd."));
    rules.filter_map(|(_, rule)| Forward::parse(&rule)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_forwarded_ports() {
        let args = [
            "-netdev",
            "user,id=n,hostfwd=tcp::2089-:22,hostfwd=udp:127.0.0.1:53-10.0.2.15:5353,hostfwd=bad",
            "-nic",
            "user,hostfwd=:[::1]:80-:8080",
            r#"{"type":"user","id":"j","hostfwd":[{"str":"tcp::81-:81"},{"str":"bad"}]}"#,
        ];
        let found: Vec<_> = forwards(args)
            .iter()
            .map(|f| {
                format!("{} {:?} {} {}", f.protocol, f.host_address, f.host_port, f.guest_port)
            })
            .collect();
        assert_eq!(
            found,
            [
                "tcp \"\" 2089 22",
                "udp \"127.0.0.1\" 53 5353",
                "tcp \"[::1]\" 80 8080",
                "tcp \"\" 81 81"
            ]
        );
    }
}
