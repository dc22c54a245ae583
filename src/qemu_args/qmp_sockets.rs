//! Where a QEMU command line has QMP: `-qmp`, `-qmp-pretty`, `-mon` with `-chardev`, and the same in
//! the files of `-readconfig` (QEMU manual, "Debug/Expert options" and "Character device options").

use super::options::{Arg, Opt, options};
use super::properties::Properties;
use crate::qmp::Address;
use std::collections::HashMap;
use std::path::Path;

/// One of a QEMU's QMP monitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QmpSocket {
    /// It listens here.
    At(Address),
    /// No client can connect to it, for this reason.
    Unreachable(String),
}

/// The QMP monitors of a QEMU that runs in `working_dir`, in their order; `read` gives the text of a
/// file.
pub fn qmp_sockets(
    argv: &[String],
    working_dir: &Path,
    read: impl Fn(&Path) -> Option<String>,
) -> Vec<QmpSocket> {
    let words = argv.iter().skip(1).map(|word| Arg { text: word.clone(), span: None });
    let words: Vec<_> = words.collect();
    let mut chardevs: HashMap<String, Properties> = HashMap::new();
    let mut monitors: Vec<Monitor> = Vec::new();
    for Opt { name, value, .. } in options(&words, |_| None) {
        let Some(value) = value else { continue };
        match name {
            "qmp" | "qmp-pretty" => monitors.push(Monitor::Device(value.text.clone())),
            "mon" => monitors.extend(Monitor::of(&Properties::parse(&value.text))),
            "chardev" => {
                let properties = Properties::parse(&value.text);
                let id = properties.get("id").unwrap_or_default().to_owned();
                chardevs.insert(id, properties);
            }
            "readconfig" => {
                let text = read(&working_dir.join(&value.text)).unwrap_or_default();
                for (kind, id, properties) in sections(&text) {
                    match kind.as_str() {
                        "mon" => monitors.extend(Monitor::of(&properties)),
                        "chardev" => drop(chardevs.insert(id, properties)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let socket = |monitor: Monitor| match monitor {
        Monitor::Device(device) => match device.strip_prefix("chardev:") {
            Some(id) => of_chardev(chardevs.get(id), working_dir),
            None => of_device(&device, working_dir),
        },
        Monitor::Chardev(id) => of_chardev(chardevs.get(&id), working_dir),
    };
    monitors.into_iter().map(socket).collect()
}

/// What a QMP monitor talks through.
enum Monitor {
    /// A device in the short form, such as `unix:PATH,server=on`.
    Device(String),
    /// A `-chardev`, by its id.
    Chardev(String),
}

impl Monitor {
    fn of(mon: &Properties) -> Option<Monitor> {
        let chardev = mon.implied("chardev")?.to_owned();
        (mon.get("mode") == Some("control")).then_some(Monitor::Chardev(chardev))
    }
}

/// The sections of a config file of QEMU's: `[kind "id"]`, then `key = "value"`.
fn sections(text: &str) -> Vec<(String, String, Properties)> {
    let mut sections = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let (kind, id) = header.split_once(' ').unwrap_or((header, ""));
            let id = id.trim().trim_matches('"').to_owned();
            sections.push((kind.to_owned(), id, Properties::default()));
        } else if let (Some((key, value)), Some((.., properties))) =
            (line.split_once('='), sections.last_mut())
        {
            let value = value.trim().trim_matches('"').to_owned();
            properties.0.push((key.trim().to_owned(), value));
        }
    }
    sections
}

/// A device in the short form that `-qmp` takes.
fn of_device(device: &str, working_dir: &Path) -> QmpSocket {
    let (kind, rest) = device.split_once(':').unwrap_or((device, ""));
    let properties = Properties::parse(rest);
    let first = properties.get("").unwrap_or_default();
    match kind {
        "unix" => of_server(&properties, Address::Unix(working_dir.join(first))),
        "tcp" => of_server(&properties, Address::Tcp(tcp(first))),
        _ => QmpSocket::Unreachable(format!("QMP is on `{kind}`")),
    }
}

fn of_chardev(chardev: Option<&Properties>, working_dir: &Path) -> QmpSocket {
    let Some(chardev) = chardev else {
        return QmpSocket::Unreachable(
            "QMP is on a character device that is not on the command line".into(),
        );
    };
    match (chardev.implied("backend"), chardev.get("path"), chardev.get("port")) {
        (Some("socket"), Some(path), _) => {
            of_server(chardev, Address::Unix(working_dir.join(path)))
        }
        (Some("socket"), _, Some(port)) => {
            let host = chardev.get("host").unwrap_or_default();
            of_server(chardev, Address::Tcp(tcp(&format!("{host}:{port}"))))
        }
        (Some("socket"), ..) => {
            let fd = chardev.get("fd").unwrap_or("?");
            QmpSocket::Unreachable(format!("QMP is on descriptor {fd}, which QEMU has inherited"))
        }
        (backend, ..) => {
            QmpSocket::Unreachable(format!("QMP is on `{}`", backend.unwrap_or("nothing")))
        }
    }
}

fn of_server(properties: &Properties, address: Address) -> QmpSocket {
    match properties.is_on("server") {
        true => QmpSocket::At(address),
        false => QmpSocket::Unreachable(format!("QEMU itself connects to {address}")),
    }
}

/// `HOST:PORT` where a client connects: a server listens on all addresses where it names none.
fn tcp(address: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or(("", address));
    match host {
        "" | "0.0.0.0" => format!("127.0.0.1:{port}"),
        "::" | "[::]" => format!("[::1]:{port}"),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        let argv: Vec<_> = format!("qemu {line}").split(' ').map(str::to_owned).collect();
        let read = |path: &Path| {
            (path == Path::new("/w/vm.cfg")).then(|| {
                "# QEMU config file\n\n[chardev \"c\"]\n  backend = \"socket\"\n  path = \"c.sock\"\n  \
                 server = \"on\"\n[mon \"m\"]\n  chardev = \"c\"\n  mode = \"control\"\n"
                    .to_owned()
            })
        };
        let show = |socket: QmpSocket| match socket {
            QmpSocket::At(address) => address.to_string(),
            QmpSocket::Unreachable(why) => why,
        };
        qmp_sockets(&argv, Path::new("/w"), read).into_iter().map(show).collect()
    }

    #[test]
    fn finds_qmp_in_every_spelling() {
        for (line, address) in [
            ("-qmp unix:/a/q.sock,server=on,wait=off", "unix:/a/q.sock"),
            ("--qmp unix:q.sock,server,nowait", "unix:/w/q.sock"),
            ("-qmp-pretty unix:a,,b,server=on", "unix:/w/a,b"),
            ("-qmp tcp:localhost:4444,server=on,wait=off", "tcp:localhost:4444"),
            ("-qmp tcp::4444,server", "tcp:127.0.0.1:4444"),
            ("-qmp tcp:[::]:4444,server", "tcp:[::1]:4444"),
            (
                "-chardev socket,id=m,path=m.sock,server=on -mon chardev=m,mode=control",
                "unix:/w/m.sock",
            ),
            (
                "-mon m,mode=control,pretty=on -chardev socket,id=m,host=::1,port=5,server=on",
                "tcp:[::1]:5",
            ),
            ("-chardev socket,id=m,path=/m,server=on -qmp chardev:m", "unix:/m"),
            ("-readconfig vm.cfg", "unix:/w/c.sock"),
            ("-qmp stdio", "QMP is on `stdio`"),
            ("-qmp unix:/a,wait=off", "QEMU itself connects to unix:/a"),
            (
                "-chardev socket,id=m,fd=3,server=on -mon m,mode=control",
                "QMP is on descriptor 3, which QEMU has inherited",
            ),
            (
                "-mon nope,mode=control",
                "QMP is on a character device that is not on the command line",
            ),
        ] {
            assert_eq!(found(line), [address], "{line}");
        }
        assert_eq!(
            found("-monitor unix:/a,server=on -chardev socket,id=m,path=/m,server=on -mon m"),
            [""; 0]
        );
    }
}
