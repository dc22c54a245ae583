//! Why QEMU did not come up: its own words, and the config's line that they are about.

use super::argv::CommandLine;
use super::dir::VmDir;
use super::port;
use crate::config::{Config, Span, Vm};
use crate::{Error, Place};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// As much of QEMU's last words as an error repeats, in bytes.
const LAST_WORDS: u64 = 2048;

/// As many lines of a log an error shows.
const LAST_LINES: usize = 10;

/// The error for a QEMU that ended before it answered.
pub fn qemu_failed(
    config: &Config,
    vm: &Vm,
    dir: &VmDir,
    line: &CommandLine,
    status: ExitStatus,
) -> Error {
    let stderr = last_words(dir);
    let name = vm.instance.name.clone();
    if stderr.contains("host forwarding rule")
        && let Some(owner) = port::owner(vm.ssh.port)
    {
        return Error::PortTaken { vm: name, port: vm.ssh.port, owner };
    }
    let place = culprit(line, &stderr)
        .map(|span| Place { source: config.file.source.clone(), span: span.clone() });
    Error::QemuFailed { vm: name, status: describe(status), stderr, place }
}

/// The end of QEMU's stderr, with nothing in it that a terminal would obey.
pub fn last_words(dir: &VmDir) -> String {
    end_of(dir, "stderr")
}

/// The last lines of one of the VM's logs, with nothing in them that a terminal would obey.
pub fn last_lines(dir: &VmDir, log: &str) -> String {
    let end = end_of(dir, log);
    let lines: Vec<_> = end.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

fn end_of(dir: &VmDir, log: &str) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(dir.file(log))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
        let mut bytes = Vec::new();
        file.take(LAST_WORDS).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    harmless(&read().unwrap_or_default())
}

/// Foreign output as one can print it: control characters other than line breaks are dropped.
pub fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let kept = text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control());
    kept.collect::<String>().trim().to_owned()
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The place of the option that QEMU complains about: it begins its message with the option as
/// it stands on the command line, `-device foo,bar: ...` or `-foo: ...`.
fn culprit<'a>(line: &'a CommandLine, stderr: &str) -> Option<&'a Span> {
    let mut best: Option<(usize, &Span)> = None;
    for (at, arg) in line.args.iter().enumerate() {
        let Some(span) = arg.span.as_ref().filter(|_| arg.text.starts_with('-')) else {
            continue;
        };
        let value = line.args.get(at + 1);
        let with_value = value.map(|value| (format!("{} {}", arg.text, value.text), &value.span));
        let candidates = with_value.into_iter().chain([(arg.text.clone(), &arg.span)]);
        for (text, place) in candidates {
            let said = stderr.contains(&format!(": {text}: "));
            if said && best.is_none_or(|(length, _)| text.len() > length) {
                best = Some((text.len(), place.as_ref().unwrap_or(span)));
            }
        }
    }
    best.map(|(_, span)| span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Arg;

    #[test]
    fn finds_the_option_that_qemu_names() {
        let arg =
            |(at, text): (usize, &&str)| Arg { text: (*text).to_owned(), span: Some(at..at + 1) };
        let words = ["-m", "1", "-device", "e1000", "-device", "nonsense,x=1", "-foo"];
        let line =
            CommandLine { bin: "q".into(), args: words.iter().enumerate().map(arg).collect() };
        let find = |stderr: &str| culprit(&line, stderr).map(|span| span.start);
        assert_eq!(find("q: -device nonsense,x=1: 'nonsense' is not a valid device"), Some(5));
        assert_eq!(find("q: -foo: invalid option"), Some(6));
        assert_eq!(find("q: something else"), None);
    }

    #[test]
    fn drops_what_a_terminal_would_obey() {
        assert_eq!(harmless(b"a\x1b[2Jb\r\nc\x07\xff\n"), "a[2Jb\nc\u{fffd}");
    }
}
