//! Why QEMU did not come up: its own words, and the config's line that they are about.

use super::argv::{CommandLine, Forward};
use super::dir::VmDir;
use super::options::{Opt, options};
use super::port;
use super::properties::Properties;
use crate::config::{Arg, Config, Port, Span, Vm};
use crate::sanitize::Sanitizer;
use crate::{Error, Place};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// As much of QEMU's last words as an error repeats, in bytes.
const LAST_WORDS: u64 = 2048;

/// The error for a QEMU that ended before it answered.
pub fn qemu_failed(
    config: &Config,
    vm: &Vm,
    dir: &VmDir,
    line: &CommandLine,
    status: ExitStatus,
) -> Error {
    let mut stderr = last_words(dir);
    let name = vm.instance.name.clone();
    let valueless = valueless(line, &stderr);
    let place = valueless
        .and_then(|arg| arg.span.as_ref())
        .or_else(|| culprit(line, &stderr))
        .map(|span| Place { source: config.file.source.clone(), span: span.clone() });
    if let Some(option) = valueless {
        stderr.push_str(&format!("\n`{}`, the last word of `cmd`, needs a value", option.text));
    }
    if let Some(port) = refused_port(&stderr) {
        let is_ssh = port == vm.ssh.port;
        match port::owner(port).map(|owner| owner.to_string()) {
            Some(owner) if is_ssh => return Error::PortTaken { vm: name, port, owner },
            Some(owner) => {
                stderr.push_str(&format!("\nport {port} of the host is taken by {owner}"))
            }
            // Who took the port that was picked may be gone by now.
            None if is_ssh && vm.instance.port == Port::Auto => {
                let owner = "another process".to_owned();
                return Error::PortTaken { vm: name, port, owner };
            }
            None => {}
        }
    }
    Error::QemuFailed { vm: name, status: describe(status), stderr, place }
}

/// The TCP port of the host that QEMU can't listen on: it quotes the rule that asks for it.
fn refused_port(stderr: &str) -> Option<u16> {
    let (_, rule) = stderr.split_once("host forwarding rule '")?;
    let rule = Forward::parse(rule.split_once('\'')?.0)?;
    (rule.protocol == "tcp").then_some(rule.host_port)
}

/// Where the config names the VM's QEMU binary, unless it leaves that to us.
pub fn place_of_bin(config: &Config, vm: &Vm) -> Option<Place> {
    let definition = config.file.vm(&vm.instance.definition);
    let own = definition.and_then(|definition| definition.bin.as_ref());
    let span = own.unwrap_or(&config.file.qemu.bin).span.clone();
    (!span.is_empty()).then(|| Place { source: config.file.source.clone(), span })
}

/// The end of QEMU's stderr, with nothing in it that a terminal would obey.
pub fn last_words(dir: &VmDir) -> String {
    end_of(dir, "stderr", LAST_WORDS)
}

/// The end of one of the VM's logs, of so many bytes at the most, with nothing in it that a
/// terminal would obey.
pub fn end_of(dir: &VmDir, log: &str, most: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(dir.file(log))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    harmless(&read().unwrap_or_default())
}

/// Foreign output as one can print it: control sequences, and control characters other than line
/// breaks, are dropped.
pub fn harmless(bytes: &[u8]) -> String {
    let mut clean = Vec::new();
    Sanitizer::plain().push(bytes, &mut clean);
    let text = String::from_utf8_lossy(&clean);
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

/// Complaints that name no option at all, and the options that they are about.
const UNNAMED: [(&str, &[&str]); 3] = [
    ("unsupported machine type", &["machine", "M"]),
    ("-machine.", &["machine", "M"]),
    ("-cpu.", &["cpu"]),
];

/// The last of the config's arguments, if QEMU has taken our `-pidfile` for the value that it
/// lacks, and the path that follows for a disk image.
fn valueless<'a>(line: &'a CommandLine, stderr: &str) -> Option<&'a Arg> {
    let ours = line.args.iter().position(|arg| arg.span.is_none())?;
    let [option, pidfile, image] = line.args.get(ours.checked_sub(1)?..=ours + 1)? else {
        return None;
    };
    let is_image = stderr.contains(&format!(": {}: Could not open", image.text));
    (pidfile.text == "-pidfile" && is_image).then_some(option)
}

/// The place of the option that QEMU complains about.
fn culprit<'a>(line: &'a CommandLine, stderr: &str) -> Option<&'a Span> {
    let options = options(&line.args, |_| None);
    let of_config = || options.iter().filter(|opt| opt.arg.span.is_some());
    // Of several that are named as well the first: QEMU goes through them in order.
    let named = of_config().filter_map(|opt| named(opt, stderr));
    let named = named.min_by_key(|(length, _)| std::cmp::Reverse(*length)).map(|(_, arg)| arg);
    // The last of a kind wins with QEMU, be it the config's or not.
    let about = || options.iter().rfind(|opt| is_about(opt, stderr)).and_then(|opt| opt.value);
    named.or_else(about).and_then(|arg| arg.span.as_ref())
}

/// QEMU begins its message with the option as it stands on the command line, `-device foo,bar: ...`
/// or `-foo: ...`: how much of it, and the argument that it is about.
fn named<'a>(opt: &Opt<'a>, stderr: &str) -> Option<(usize, &'a Arg)> {
    let with_value = opt.value.map(|value| (format!("{} {}", opt.arg.text, value.text), value));
    let mut texts = with_value.into_iter().chain([(opt.arg.text.clone(), opt.arg)]);
    let said = texts.find(|(text, _)| stderr.contains(&format!(": {text}: ")));
    said.map(|(text, arg)| (text.len(), arg))
}

/// Whether the message quotes something of the option's value, or is known to be about it.
fn is_about(opt: &Opt, stderr: &str) -> bool {
    let Some(value) = opt.value else { return false };
    if UNNAMED.iter().any(|(text, names)| stderr.contains(text) && names.contains(&opt.name)) {
        return true;
    }
    let properties = Properties::parse(&value.text);
    let values = properties.0.iter().map(|(_, value)| value.as_str());
    let mut words = values.chain([value.text.as_str()]).filter(|word| word.len() > 1);
    words.any(|word| {
        let last = stderr.lines().any(|line| line.ends_with(&format!(": {word}")));
        last || stderr.contains(&format!("'{word}'"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_option_that_qemu_names() {
        let arg =
            |(at, text): (usize, &&str)| Arg { text: (*text).to_owned(), span: Some(at..at + 1) };
        let words = [
            "-m",
            "1",
            "-device",
            "e1000",
            "-device",
            "nonsense,x=1",
            "-foo",
            "-M",
            "q36,foo=1",
            "-cpu",
            "nope,+x",
            "-nic",
            "user,model=e1001",
            "-kernel",
            "/k",
        ];
        let line =
            CommandLine { bin: "q".into(), args: words.iter().enumerate().map(arg).collect() };
        let find = |stderr: &str| culprit(&line, stderr).map(|span| span.start);
        assert_eq!(find("q: -device nonsense,x=1: 'nonsense' is not a valid device"), Some(5));
        assert_eq!(find("q: -foo: invalid option"), Some(6));
        assert_eq!(find("q: something else"), None);
        assert_eq!(find("q: -device: requires an argument"), Some(2));
        assert_eq!(find("q: unsupported machine type\nUse -machine help"), Some(8));
        assert_eq!(find("q: Property 'pc-q35-7.2-machine.foo' not found"), Some(8));
        assert_eq!(find("q: unable to find CPU model 'nope'"), Some(10));
        assert_eq!(find("q: Unsupported NIC model: e1001"), Some(12));
        assert_eq!(find("qemu: could not open kernel file '/k'"), Some(14));
    }

    #[test]
    fn drops_what_a_terminal_would_obey() {
        assert_eq!(harmless(b"a\x1b[2Jb\r\nc\x07\xff\n"), "ab\nc\u{fffd}");
    }
}
