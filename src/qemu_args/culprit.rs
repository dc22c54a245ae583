//! Finds the argument that QEMU complains about.

use super::forwards::Forward;
use super::options::{Arg, Opt, options};
use super::properties::Properties;
use std::ops::Range;

/// The host's TCP port that QEMU can't listen on: QEMU quotes the forwarding rule.
pub fn refused_port(stderr: &str) -> Option<u16> {
    let (_, rule) = stderr.split_once("host forwarding rule '")?;
    let rule = Forward::parse(rule.split_once('\'')?.0)?;
    (rule.protocol == "tcp").then_some(rule.host_port)
}

/// Complaints that name no option, and the options that they are about.
const UNNAMED: [(&str, &[&str]); 3] = [
    ("unsupported machine type", &["machine", "M"]),
    ("-machine.", &["machine", "M"]),
    ("-cpu.", &["cpu"]),
];

/// The config's last argument, if it lacks a value: QEMU then takes our `-pidfile` for the value,
/// and the path after it for a disk image.
pub fn valueless<'a>(args: &'a [Arg], stderr: &str) -> Option<&'a Arg> {
    let ours = args.iter().position(|arg| arg.span.is_none())?;
    let [option, pidfile, image] = args.get(ours.checked_sub(1)?..=ours + 1)? else {
        return None;
    };
    let is_image = stderr.contains(&format!(": {}: Could not open", image.text));
    (pidfile.text == "-pidfile" && is_image).then_some(option)
}

/// The place of the option that QEMU complains about.
pub fn culprit<'a>(args: &'a [Arg], stderr: &str) -> Option<&'a Range<usize>> {
    let options = options(args, |_| None);
    let of_config = || options.iter().filter(|opt| opt.arg.span.is_some());
    // If several are named equally well, the first: QEMU reads them in order.
    let named = of_config().filter_map(|opt| named(opt, stderr));
    let named = named.min_by_key(|(length, _)| std::cmp::Reverse(*length)).map(|(_, arg)| arg);
    // The last option of a kind counts, even if it is not from the config.
    let about = || options.iter().rfind(|opt| is_about(opt, stderr)).and_then(|opt| opt.value);
    named.or_else(about).and_then(|arg| arg.span.as_ref())
}

/// QEMU begins its message with the option from the command line, `-device foo,bar: ...` or `-foo:
/// ...`. Returns how much of it matches, and the argument that it is about.
fn named<'a>(opt: &Opt<'a>, stderr: &str) -> Option<(usize, &'a Arg)> {
    let with_value = opt.value.map(|value| (format!("{} {}", opt.arg.text, value.text), value));
    let mut texts = with_value.into_iter().chain([(opt.arg.text.clone(), opt.arg)]);
    let said = texts.find(|(text, _)| stderr.contains(&format!(": {text}: ")));
    said.map(|(text, arg)| (text.len(), arg))
}

/// Whether the message quotes the option's value, or is known to be about the option.
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
        let args: Vec<_> = words.iter().enumerate().map(arg).collect();
        let find = |stderr: &str| culprit(&args, stderr).map(|span| span.start);
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
}
