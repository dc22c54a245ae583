//! Copies files into and out of the guest: by scp with cp's rules, or as streams.

use super::Session;
use crate::Error;
use crate::error::{Usage, cant};
use crate::sys::destination;
use rustix::fs::{Access, access};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Command;

/// The name that stands for standard input or output.
pub const STREAM: &str = "-";

/// The command that copies `paths`, all local but the last, to the last one, in the guest.
///
/// # Errors
/// There are fewer than two paths, `-` is one of several sources or the target, or a source can't
/// be read.
pub fn put(session: &Session, paths: &[OsString]) -> Result<Command, Error> {
    let (sources, target) = split(paths)?;
    match sources {
        _ if target == STREAM => Err(misplaced("standard input, which can't be the target")),
        [source] if source == STREAM => Ok(session.ssh(&[cat("> ", &[target])])),
        _ if sources.iter().any(|source| source == STREAM) => {
            Err(misplaced("standard input, which can't be one of several"))
        }
        _ => {
            sources.iter().try_for_each(|source| gives(source))?;
            let mut command = session.tool("scp");
            command.args(["-r", "--"]).args(sources.iter().map(|path| local(path)));
            command.arg(remote(session, &destination(sources, target)));
            Ok(command)
        }
    }
}

/// The command that copies `paths`, all in the guest but the last, to the last, local one.
///
/// # Errors
/// There are fewer than two paths, `-` is a source, or the target can't be written.
pub fn get(session: &Session, paths: &[OsString]) -> Result<Command, Error> {
    let (sources, target) = split(paths)?;
    if sources.iter().any(|source| source == STREAM) {
        return Err(misplaced("standard output, which can't be a source"));
    }
    if target == STREAM {
        return Ok(session.ssh(&[cat("", sources)]));
    }
    takes(target, sources.len() > 1)?;
    let mut command = session.tool("scp");
    command.args(["-r", "--"]).args(sources.iter().map(|path| remote(session, path)));
    command.arg(local(target));
    Ok(command)
}

/// Checks that a local source can be read.
///
/// # Errors
/// It can't.
pub fn gives(path: &OsStr) -> Result<(), Error> {
    access(path, Access::READ_OK).map_err(|error| cant("copy", Path::new(path))(error.into()))
}

/// Checks that a local target can be written.
///
/// # Errors
/// It can't, or is no directory although it `has_to_be_dir`.
pub fn takes(path: &OsStr, has_to_be_dir: bool) -> Result<(), Error> {
    let has_to_be_dir = has_to_be_dir || path.as_bytes().ends_with(b"/.");
    destination::writable(Path::new(path), has_to_be_dir).map_err(cant("copy to", Path::new(path)))
}

pub(super) fn split(paths: &[OsString]) -> Result<(&[OsString], &OsStr), Error> {
    match paths.split_last() {
        Some((target, sources)) if !sources.is_empty() => Ok((sources, target)),
        _ => Err(Usage {
            message: "two paths are needed: what to copy, and where to".to_owned(),
            hint: None,
        }
        .into()),
    }
}

/// The error for a `-` in the wrong place.
fn misplaced(what: &str) -> Error {
    let hint = Some(format!("a file of that name is ./{STREAM}"));
    Error::from(Usage { message: format!("`{STREAM}` is {what}"), hint })
}

/// A local path that scp can't mistake for a remote one: it looks for a colon before any slash.
fn local(path: &OsStr) -> OsString {
    match path.as_bytes().iter().find(|byte| b":/".contains(byte)) {
        Some(b':') => concat([OsStr::new("./"), path]),
        _ => path.to_owned(),
    }
}

fn remote(session: &Session, path: &OsStr) -> OsString {
    concat([OsStr::new(&session.name), OsStr::new(":"), path])
}

/// The target, written so that scp follows cp's rules. Several sources need an existing directory,
/// where scp would make one with a file's mode. One directory becomes a new one even under a name
/// that ends in slashes.
fn destination(sources: &[OsString], target: &OsStr) -> OsString {
    let [source] = sources else {
        return inside(target);
    };
    let bytes = target.as_bytes();
    let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let name = &bytes[..end];
    match Path::new(source).is_dir() && !matches!(name, b"" | b"~") {
        true => OsStr::from_bytes(name).to_owned(),
        false => target.to_owned(),
    }
}

/// A directory's path in a form with which scp fails if the directory does not exist.
pub(super) fn inside(target: &OsStr) -> OsString {
    // An empty name means the home directory.
    let directory = if target.is_empty() { OsStr::new(".") } else { target };
    concat([directory, OsStr::new("/.")])
}

/// A `cat` for the guest's shell.
fn cat(redirection: &str, paths: &[impl AsRef<OsStr>]) -> OsString {
    let words = paths.iter().map(|path| word_of(path.as_ref()));
    line(&format!("cat {redirection}"), words)
}

/// A command line for the guest's shell.
pub(super) fn line(start: &str, words: impl IntoIterator<Item = OsString>) -> OsString {
    let words: Vec<_> = words.into_iter().map(OsString::into_vec).collect();
    OsString::from_vec([start.as_bytes(), &words.join(&b' ')].concat())
}

/// A path as one word for the guest's shell.
pub(super) fn word_of(path: &OsStr) -> OsString {
    let path = if path.is_empty() { OsStr::new(".") } else { path };
    OsString::from_vec(word(path.as_bytes()))
}

/// scp's pattern as a word for the guest's shell, which expands `~`, `*`, `?` and `[...]` in it.
pub(super) fn pattern(path: &OsStr) -> OsString {
    let (start, rest) = match path.as_bytes() {
        b"~" => return path.to_owned(),
        [b'~', b'/', rest @ ..] => ("~/", rest),
        [b'-', ..] => ("./", path.as_bytes()),
        rest => ("", rest),
    };
    let mut word = start.as_bytes().to_vec();
    let mut bytes = rest.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' | b'[' | b']' | b'!' | b'^' => word.push(byte),
            b'\\' => word.extend(single(bytes.next().unwrap_or(byte))),
            byte if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) => word.push(byte),
            byte => word.extend(single(byte)),
        }
    }
    if word.is_empty() { ".".into() } else { OsString::from_vec(word) }
}

/// A byte, escaped so that a shell reads it as that byte.
fn single(byte: u8) -> Vec<u8> {
    match byte {
        b'\'' => br"\'".into(),
        _ => vec![b'\'', byte, b'\''],
    }
}

/// scp's pattern that matches only this path.
pub(super) fn literal(path: &OsStr) -> OsString {
    let escaped = |byte: &u8| match byte {
        b'*' | b'?' | b'[' | b']' | b'\\' => vec![b'\\', *byte],
        byte => vec![*byte],
    };
    OsString::from_vec(path.as_bytes().iter().flat_map(escaped).collect())
}

/// A path that is not read as an option.
pub(super) fn no_option(path: &OsStr) -> OsString {
    match path.as_bytes() {
        [b'-', ..] => concat([OsStr::new("./"), path]),
        _ => path.to_owned(),
    }
}

/// A path as one word for the guest's shell, which expands `~` and nothing else.
pub(super) fn word(path: &[u8]) -> Vec<u8> {
    // `cat` would take a leading dash for an option.
    let (start, rest): (&[u8], _) = match path {
        b"~" => return path.to_vec(),
        [b'~', b'/', rest @ ..] => (b"~/", rest),
        [b'-', ..] => (b"./", path),
        _ => (b"", path),
    };
    let quoted: Vec<_> = rest.split(|byte| *byte == b'\'').collect();
    [start, b"'", &quoted.join(&br"'\''"[..]), b"'"].concat()
}

fn concat<const N: usize>(parts: [&OsStr; N]) -> OsString {
    OsString::from_vec(parts.map(OsStr::as_bytes).concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_stay_local() {
        for (path, safe) in
            [("a:b", "./a:b"), ("/x/a:b", "/x/a:b"), ("./a:b", "./a:b"), ("ab", "ab")]
        {
            assert_eq!(local(OsStr::new(path)), safe);
        }
    }

    #[test]
    fn paths_are_one_word() {
        for (path, one) in [
            ("/a b/$x", "'/a b/$x'"),
            ("it's", r"'it'\''s'"),
            ("~/a b", "~/'a b'"),
            ("~", "~"),
            ("-n", "./'-n'"),
        ] {
            assert_eq!(String::from_utf8(word(path.as_bytes())).unwrap(), one);
        }
        assert_eq!(cat("> ", &["a", "b"]), "cat > 'a' 'b'");
    }

    #[test]
    fn patterns_are_one_word() {
        for (path, one) in [
            ("/a b/*.[!co]", "/a' 'b/*.[!co]"),
            (r"a\*b\\", r"a'*'b'\'"),
            ("it's$x", r"it\'s'$'x"),
            ("~/*", "~/*"),
            ("-*", "./-*"),
            ("", "."),
        ] {
            assert_eq!(pattern(OsStr::new(path)), one);
        }
        assert_eq!(literal(OsStr::new(r"a*\")), r"a\*\\");
    }

    #[test]
    fn destinations_follow_cp() {
        let target = |sources: &[&str], target: &str| {
            let sources: Vec<_> = sources.iter().map(OsString::from).collect();
            destination(&sources, OsStr::new(target)).into_string().unwrap()
        };
        assert_eq!(target(&["/"], "/x//"), "/x");
        assert_eq!(target(&["/"], "/"), "/");
        assert_eq!(target(&["/"], "~/"), "~/");
        assert_eq!(target(&["/dev/null"], "/x/"), "/x/");
        for (several, directory) in [("/x", "/x/."), ("/x/", "/x//."), ("~", "~/."), ("", "./.")] {
            assert_eq!(target(&["/", "/dev/null"], several), directory);
        }
    }
}
