//! The part of QEMU's command line that the fake understands.

use std::path::PathBuf;

/// A unix socket to listen on, and the log of a character device.
#[derive(Debug, Default)]
pub struct Chardev {
    /// Where to listen.
    pub socket: PathBuf,
    /// The file that QEMU copies the output to.
    pub logfile: Option<PathBuf>,
    /// Whether the log survives from run to run.
    pub logappend: bool,
}

/// The options that the fake understands; all others are ignored.
#[derive(Debug, Default)]
pub struct Options {
    /// `-pidfile`
    pub pidfile: Option<PathBuf>,
    /// The socket of `-qmp unix:`.
    pub qmp: Option<PathBuf>,
    /// The sockets of `-monitor unix:` and `-chardev socket`; the fake only listens on them.
    pub chardevs: Vec<Chardev>,
    /// The path of `-chardev pipe`; the fake assumes a QMP monitor on it.
    pub pipe: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments, without the program's name.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Options {
        let mut options = Options::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-pidfile" => options.pidfile = args.next().map(PathBuf::from),
                "-qmp" => options.qmp = args.next().and_then(|v| unix_path(&v)),
                "-monitor" => {
                    let socket = args.next().and_then(|v| unix_path(&v));
                    let chardev = |socket| Chardev { socket, ..Chardev::default() };
                    options.chardevs.extend(socket.map(chardev));
                }
                "-chardev" => {
                    let value = args.next().unwrap_or_default();
                    options.pipe = options.pipe.or(pipe(&value));
                    options.chardevs.extend(chardev(&value));
                }
                _ => {}
            }
        }
        options
    }

    /// All the sockets' paths.
    pub fn sockets(&self) -> impl Iterator<Item = &PathBuf> {
        self.qmp.iter().chain(self.chardevs.iter().map(|c| &c.socket))
    }
}

fn unix_path(value: &str) -> Option<PathBuf> {
    let first = fields(value).into_iter().next()?;
    first.strip_prefix("unix:").map(PathBuf::from)
}

fn pipe(value: &str) -> Option<PathBuf> {
    let fields = fields(value);
    let path = fields.iter().find_map(|field| field.strip_prefix("path="))?;
    (fields.first()? == "pipe").then(|| path.into())
}

fn chardev(value: &str) -> Option<Chardev> {
    let fields = fields(value);
    let get = |key: &str| fields.iter().find_map(|f| f.strip_prefix(key)?.strip_prefix('='));
    if fields.first()? != "socket" {
        return None;
    }
    Some(Chardev {
        socket: get("path")?.into(),
        logfile: get("logfile").map(PathBuf::from),
        logappend: get("logappend") == Some("on"),
    })
}

/// Splits at commas; a doubled comma is part of the field.
fn fields(value: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ',' && chars.next_if_eq(&',').is_none() {
            fields.push(String::new());
        } else if let Some(field) = fields.last_mut() {
            field.push(c);
        }
    }
    fields
}
