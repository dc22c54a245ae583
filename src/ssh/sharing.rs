//! Which of ssh's options go with a connection that is shared, and which need one of their own.
//!
//! On a shared one ssh heeds what concerns the session, and nothing that says who logs in, where
//! and how: that is the master's. Nor does it wait with `-N` or go to the background with `-f`
//! there, and what it forwards belongs to the master, which outlives it. So an option needs a
//! connection of its own unless it is known not to.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// ssh's options that take a value (ssh(1)).
const WITH_VALUE: &[u8] = b"BDEFIJLOPQRSWbceilmopw";

/// Those that concern the session or ssh itself, and as keywords (ssh_config(5)).
const OF_SESSIONS: &[u8] = b"EFGQTVWaenqstvxy";
const OF_SESSIONS_KEYWORDS: [&str; 15] = [
    "batchmode",
    "connectionattempts",
    "connecttimeout",
    "controlpersist",
    "enableescapecommandline",
    "escapechar",
    "ignoreunknown",
    "loglevel",
    "logverbose",
    "remotecommand",
    "requesttty",
    "sendenv",
    "stdinnull",
    "syslogfacility",
    "visualhostkey",
];

/// Those that say themselves what is shared, and as keywords.
const SHARING: &[u8] = b"MOS";
const SHARING_KEYWORDS: [&str; 2] = ["controlmaster", "controlpath"];

/// Whether ssh's words after the host's name need a connection of their own, and don't say
/// themselves what is shared.
pub fn is_own(args: &[impl AsRef<OsStr>]) -> bool {
    let options = options(args);
    let is_of = |(letter, value): &(u8, &[u8]), letters: &[u8], keywords: &[&str]| match letter {
        b'o' => keywords.iter().any(|keyword| value_is_of(value, keyword)),
        letter => letters.contains(letter),
    };
    options.iter().any(|option| !is_of(option, OF_SESSIONS, &OF_SESSIONS_KEYWORDS))
        && !options.iter().any(|option| is_of(option, SHARING, &SHARING_KEYWORDS))
}

/// Whether an option of the config says what is shared.
pub fn is_about_sharing(keyword: &str) -> bool {
    SHARING_KEYWORDS.iter().any(|sharing| sharing.eq_ignore_ascii_case(keyword))
}

/// The options before the command, each with its value, read as getopt(3) does.
fn options(args: &[impl AsRef<OsStr>]) -> Vec<(u8, &[u8])> {
    let mut words = args.iter().map(|arg| arg.as_ref().as_bytes());
    let mut options = Vec::new();
    while let Some([b'-', cluster @ ..]) = words.next() {
        if matches!(cluster, b"" | b"-") {
            break;
        }
        let mut letters = cluster.iter();
        while let Some(letter) = letters.next() {
            let mut value: &[u8] = b"";
            if WITH_VALUE.contains(letter) {
                value = std::mem::take(&mut letters).as_slice();
                if value.is_empty() {
                    value = words.next().unwrap_or_default();
                }
            }
            options.push((*letter, value));
        }
    }
    options
}

/// Whether the value of `-o` is of this keyword: `KEYWORD=...` or `KEYWORD ...`.
fn value_is_of(value: &[u8], keyword: &str) -> bool {
    let mut words = value.split(|byte| *byte == b'=' || byte.is_ascii_whitespace());
    words
        .find(|word| !word.is_empty())
        .is_some_and(|first| first.eq_ignore_ascii_case(keyword.as_bytes()))
}
