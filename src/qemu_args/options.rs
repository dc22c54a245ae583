//! Splits a QEMU command line into options and their values.

use serde::Serialize;
use std::ops::Range;

/// An argument for QEMU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arg {
    /// The argument itself.
    pub text: String,
    /// The place in the config file, in bytes, if it is from there.
    #[serde(skip)]
    pub span: Option<Range<usize>>,
}

/// An option with its value.
#[derive(Clone, Copy, Debug)]
pub struct Opt<'a> {
    /// Its name without dashes.
    pub name: &'a str,
    /// The option as written on the command line.
    pub arg: &'a Arg,
    /// Its value.
    pub value: Option<&'a Arg>,
}

/// QEMU takes a disk image without an option for the first hard disk (QEMU manual, "Invocation").
const IMAGE_ALONE: &str = "hda";

/// Splits a command line into options. `takes_value` knows QEMU's options; after an unknown option,
/// an argument that begins with a dash is not its value.
pub fn options(args: &[Arg], takes_value: impl Fn(&str) -> Option<bool>) -> Vec<Opt<'_>> {
    let mut options = Vec::new();
    let mut rest = args.iter().peekable();
    while let Some(arg) = rest.next() {
        let Some(name) = name(&arg.text) else {
            options.push(Opt { name: IMAGE_ALONE, arg, value: Some(arg) });
            continue;
        };
        let looks_like_value = |next: &&Arg| !next.text.starts_with('-');
        let value = match takes_value(name) {
            Some(true) => rest.next(),
            Some(false) => None,
            None => rest.next_if(looks_like_value),
        };
        options.push(Opt { name, arg, value });
    }
    options
}

/// The name of an option: QEMU accepts one dash or two.
pub fn name(arg: &str) -> Option<&str> {
    arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<Arg> {
        words.iter().map(|word| Arg { text: (*word).to_owned(), span: None }).collect()
    }

    fn pairs(words: &[&str], takes_value: impl Fn(&str) -> Option<bool>) -> Vec<String> {
        let args = args(words);
        let show =
            |opt: &Opt| format!("{}={}", opt.name, opt.value.map_or("", |value| &value.text));
        options(&args, takes_value).iter().map(show).collect()
    }

    #[test]
    fn a_value_may_begin_with_a_dash() {
        let known = |name: &str| Some(name != "s");
        assert_eq!(
            pairs(&["-append", "-x", "-s", "disk.img", "--m"], known),
            ["append=-x", "s=", "hda=disk.img", "m="]
        );
    }

    #[test]
    fn guesses_what_it_does_not_know() {
        assert_eq!(pairs(&["-a", "1", "-b", "-c"], |_| None), ["a=1", "b=", "c="]);
    }
}
