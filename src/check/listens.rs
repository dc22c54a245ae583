//! Finds the ports of the host that QEMU listens on because of its options.

use super::subject::Subject;
use crate::qemu_args::{Arg, Properties, forwards};
use std::net::{IpAddr, Ipv4Addr};

/// The port of `-s` (QEMU manual, "Debug/Expert options").
const GDB: u16 = 1234;

/// The port of VNC's display 0 (QEMU manual, "Display options").
const VNC: u16 = 5900;

/// A port that QEMU would listen on.
pub struct Listen<'a> {
    pub arg: &'a Arg,
    /// The part of the argument that names it.
    pub part: String,
    pub is_udp: bool,
    pub address: IpAddr,
    pub port: u16,
}

impl<'a> Listen<'a> {
    /// `None` if QEMU picks the port, or the address is a host's name.
    fn new(arg: &'a Arg, part: &str, host: &str, port: u16) -> Option<Listen<'a>> {
        let address = match host.trim_matches(['[', ']']) {
            "" => Ipv4Addr::UNSPECIFIED.into(),
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            address => address.parse().ok()?,
        };
        (port > 0).then(|| Listen { arg, part: part.to_owned(), is_udp: false, address, port })
    }

    /// Parses `HOST:PORT`.
    fn at(arg: &'a Arg, text: &str) -> Option<Listen<'a>> {
        let (host, port) = text.rsplit_once(':')?;
        Listen::new(arg, text, host, port.parse().ok()?)
    }
}

/// All ports of a VM's options.
pub fn listens<'a>(subject: &Subject<'a>) -> Vec<Listen<'a>> {
    let mut found = Vec::new();
    for opt in &subject.options {
        match opt.value {
            Some(arg) => found.extend(of_option(opt.name, arg)),
            None if opt.name == "s" => found.extend(Listen::new(opt.arg, "", "", GDB)),
            None => {}
        }
    }
    found
}

fn of_option<'a>(option: &str, arg: &'a Arg) -> Vec<Listen<'a>> {
    let properties = Properties::parse(&arg.text);
    // QEMU picks a free port of a range.
    if properties.get("to").is_some() {
        return Vec::new();
    }
    let first = properties.get("").unwrap_or_default();
    let is_server = properties.is_on("server");
    match option {
        "netdev" | "nic" | "net" => {
            let listened = properties.get("listen").and_then(|text| Listen::at(arg, text));
            listened.into_iter().chain(forwarded(arg)).collect()
        }
        "vnc" => display(arg, first, &properties).into_iter().collect(),
        "display" => {
            properties.get("vnc").and_then(|at| display(arg, at, &properties)).into_iter().collect()
        }
        "spice" => ["port", "tls-port"]
            .iter()
            .filter_map(|key| property(arg, &properties, key, "addr"))
            .collect(),
        "chardev" if is_server && properties.implied("backend") == Some("socket") => {
            property(arg, &properties, "port", "host").into_iter().collect()
        }
        "gdb" | "incoming" => device(arg, first).into_iter().collect(),
        "parallel" | "debugcon" if is_server => device(arg, first).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn forwarded(arg: &Arg) -> impl Iterator<Item = Listen<'_>> {
    forwards([arg.text.as_str()]).into_iter().filter_map(move |forward| {
        let (host, port) = (forward.host_address.as_str(), forward.host_port);
        let listen = Listen::new(arg, &format!("{host}:{port}"), host, port)?;
        Some(Listen { is_udp: forward.protocol == "udp", ..listen })
    })
}

/// A port in one property, with the address in another.
fn property<'a>(
    arg: &'a Arg,
    properties: &Properties,
    key: &str,
    host: &str,
) -> Option<Listen<'a>> {
    let port = properties.get(key)?;
    let host = properties.get(host).unwrap_or_default();
    Listen::new(arg, &format!("{key}={port}"), host, port.parse().ok()?)
}

/// Parses VNC's `HOST:DISPLAY`.
fn display<'a>(arg: &'a Arg, text: &str, properties: &Properties) -> Option<Listen<'a>> {
    let (host, display) = text.rsplit_once(':')?;
    let port = VNC.checked_add(display.parse().ok()?)?;
    Listen::new(arg, text, host, port).filter(|_| !properties.is_on("reverse"))
}

/// Parses a character device in the old form.
fn device<'a>(arg: &'a Arg, text: &str) -> Option<Listen<'a>> {
    let (kind, at) = text.split_once(':')?;
    Listen::at(arg, at).filter(|_| matches!(kind, "tcp" | "telnet" | "websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_qemu_listens() {
        for (option, text, ports) in [
            ("vnc", ":1", vec!["0.0.0.0 5901 :1"]),
            ("vnc", "localhost:0,password=on", vec!["127.0.0.1 5900 localhost:0"]),
            ("vnc", "[::1]:2", vec!["::1 5902 [::1]:2"]),
            ("vnc", ":1,to=9", vec![]),
            ("vnc", "host:1,reverse=on", vec![]),
            ("vnc", "unix:/x", vec![]),
            ("vnc", "none", vec![]),
            ("display", "vnc=:3", vec!["0.0.0.0 5903 :3"]),
            ("display", "none", vec![]),
            (
                "spice",
                "port=5930,tls-port=5931,addr=127.0.0.1",
                vec!["127.0.0.1 5930 port=5930", "127.0.0.1 5931 tls-port=5931"],
            ),
            ("gdb", "tcp::1234", vec!["0.0.0.0 1234 :1234"]),
            ("gdb", "unix:/x", vec![]),
            (
                "chardev",
                "socket,id=a,host=127.0.0.1,port=99,server=on,wait=off",
                vec!["127.0.0.1 99 port=99"],
            ),
            ("chardev", "socket,id=a,port=99,server", vec!["0.0.0.0 99 port=99"]),
            ("chardev", "socket,id=a,host=h,port=99", vec![]),
            ("chardev", "socket,id=a,path=/x,server=on", vec![]),
            ("chardev", "udp,id=a,port=99", vec![]),
            ("parallel", "telnet:127.0.0.1:7,server=on", vec!["127.0.0.1 7 127.0.0.1:7"]),
            ("parallel", "tcp:127.0.0.1:7", vec![]),
            ("incoming", "tcp:0:4444", vec![]),
            ("incoming", "tcp:127.0.0.1:4444", vec!["127.0.0.1 4444 127.0.0.1:4444"]),
            ("incoming", "defer", vec![]),
            ("netdev", "socket,id=n,listen=:77", vec!["0.0.0.0 77 :77"]),
            ("nic", "user,hostfwd=udp:127.0.0.1:53-:53", vec!["127.0.0.1 53 127.0.0.1:53"]),
            ("nic", "user,hostfwd=tcp::0-:53", vec![]),
        ] {
            let arg = Arg { text: text.to_owned(), span: None };
            let found = of_option(option, &arg);
            let shown = found.iter().map(|it| format!("{} {} {}", it.address, it.port, it.part));
            assert_eq!(shown.collect::<Vec<_>>(), ports, "-{option} {text}");
        }
    }
}
