//! Copies directories with their symbolic links: tar at both ends copies them, scp all other files.

use super::copy::{self, STREAM};
use super::{Session, SshError};
use crate::Error;
use crate::error::{SystemError, Usage, cant};
use crate::text::sanitize::harmless;
use regex::bytes::Regex;
use rustix::fs::{MemfdFlags, memfd_create};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// The exit code of a shell for a missing program, and of our scripts for a missing tar.
const NOT_FOUND: i32 = 127;

/// Unpacks a directory's contents to `$1`. If `$1` is an existing directory, they go to `$2` in it;
/// if `$3` is `several`, it has to exist. A new directory gets the mode `$4`.
const UNPACK: &str = r#"command -v tar >/dev/null || exit 127
dir=$1 new=
if [ -d "$dir" ]; then dir=$dir/$2
elif [ "$3" = several ]; then echo "$dir: Not a directory" >&2; exit 1; fi
[ -d "$dir" ] || { mkdir -m 700 "$dir" || exit 1; new=$dir; }
tar -C "$dir" -xomf -
code=$?
[ -z "$new" ] || chmod "$4" "$new"
exit $code"#;

/// Lists the arguments, and which of them are directories.
const LIST: &str = r#"command -v tar >/dev/null || exit 127
for path; do if [ -d "$path" ]; then printf 'd%s\0' "$path"; else printf 'f%s\0' "$path"; fi; done"#;

/// One part of a copy.
#[derive(Debug)]
pub struct Transfer {
    /// scp, or ssh with a tar in the guest.
    pub guest: Command,
    /// The local tar at the other end of the pipe.
    pub here: Option<Command>,
}

/// A file or directory in the guest to copy.
#[derive(Debug)]
pub struct Found {
    path: OsString,
    is_dir: bool,
}

/// The parts that copy `paths`, all local but the last, to the last one, in the guest.
///
/// # Errors
/// There are fewer than two paths, one is a stream, or a source can't be read.
pub fn put(session: &Session, paths: &[OsString]) -> Result<Vec<Transfer>, Error> {
    no_streams(paths)?;
    let (sources, target) = copy::split(paths)?;
    sources.iter().try_for_each(|source| copy::gives(source))?;
    let (dirs, files): (Vec<_>, Vec<_>) =
        sources.iter().cloned().partition(|source| Path::new(source).is_dir());
    let is_several = sources.len() > 1;
    let mut transfers = Vec::new();
    for dir in &dirs {
        let (here, mode) = packed(Path::new(dir)).map_err(cant("copy", Path::new(dir)))?;
        let number = OsStr::new(if is_several { "several" } else { "one" });
        let words = [target, &name(dir), number, OsStr::new(&mode)].map(copy::word_of);
        transfers.push(piped(here, session.script(UNPACK, words), true)?);
    }
    if !files.is_empty() {
        let target = if is_several { copy::inside(target) } else { target.to_owned() };
        let guest = copy::put(session, &[files, vec![target]].concat())?;
        transfers.push(Transfer { guest, here: None });
    }
    Ok(transfers)
}

/// The command that lists the sources in the guest: all of `paths` but the last.
///
/// # Errors
/// There are fewer than two paths, or one is a stream.
pub fn list(session: &Session, paths: &[OsString]) -> Result<Command, Error> {
    no_streams(paths)?;
    let (sources, _) = copy::split(paths)?;
    Ok(session.script(LIST, sources.iter().map(|source| copy::pattern(source))))
}

/// Reads the output of that command.
///
/// # Errors
/// The guest names a file that it was not asked for, which would be written here.
pub fn found(session: &Session, paths: &[OsString], listing: &[u8]) -> Result<Vec<Found>, Error> {
    let (patterns, _) = copy::split(paths)?;
    // `*` does not match a dot at the beginning of a name.
    let matcher = |pattern: &OsString| Some((is_dotfile(&name(pattern)), matcher(&name(pattern))?));
    let patterns: Vec<_> = patterns.iter().filter_map(matcher).collect();
    let lines = listing.split(|byte| *byte == 0).filter_map(<[u8]>::split_first);
    let found = lines.map(|(kind, path)| {
        let path = OsStr::from_bytes(path).to_owned();
        let name = name(&path);
        let is_asked_for = |(is_dotted, pattern): &(bool, Regex)| {
            (*is_dotted || !is_dotfile(&name)) && pattern.is_match(name.as_bytes())
        };
        match patterns.iter().any(is_asked_for) {
            true => Ok(Found { path, is_dir: *kind == b'd' }),
            false => Err(SshError::NotCopied {
                vm: session.name.clone(),
                what: harmless(path.as_bytes()),
                reason: "the guest sent a path that was not asked for".to_owned(),
            }
            .into()),
        }
    });
    found.collect()
}

/// The parts that copy the sources in the guest to a local `target`.
///
/// # Errors
/// The target can't be written.
pub fn get(
    session: &Session,
    found: Vec<Found>,
    target: &OsStr,
) -> Result<impl Iterator<Item = Result<Transfer, Error>>, Error> {
    copy::takes(target, found.len() > 1)?;
    let is_there = Path::new(target).is_dir();
    Ok(found.into_iter().map(move |Found { path, is_dir }| {
        if !is_dir {
            let paths = [copy::literal(&path), target.to_owned()];
            return Ok(Transfer { guest: copy::get(session, &paths)?, here: None });
        }
        let mut dir = PathBuf::from(target);
        if is_there {
            dir.push(name(&path));
        }
        let mut here = Command::new("tar");
        // The guest must not choose the files' owners or make them setuid; its clock may be ahead.
        here.args(["-x", "-m", "-f", "-", "--no-same-owner", "--no-same-permissions"]);
        match dir.is_dir() {
            true => drop(here.arg("--no-overwrite-dir")),
            false => std::fs::create_dir(&dir).map_err(cant("copy to", &dir))?,
        }
        here.arg("-C").arg(copy::no_option(dir.as_os_str()));
        let guest = session.ssh(&[copy::line("tar -cf - -C ", [copy::word_of(&path), ".".into()])]);
        piped(here, guest, false)
    }))
}

/// Checks by a script's exit code that the guest has tar.
///
/// # Errors
/// It has none.
pub fn has_tar(session: &Session, status: ExitStatus) -> Result<(), Error> {
    match status.code() {
        Some(NOT_FOUND) => Err(SshError::NoTar { vm: session.name.clone() }.into()),
        _ => Ok(()),
    }
}

/// The local tar that packs a directory's contents, and the directory's mode.
fn packed(dir: &Path) -> io::Result<(Command, String)> {
    // The names may be too long for a command line.
    let mut names = File::from(memfd_create("names", MemfdFlags::CLOEXEC)?);
    for entry in std::fs::read_dir(dir)? {
        names.write_all(&[b"./", entry?.file_name().as_bytes(), b"\0"].concat())?;
    }
    names.rewind()?;
    let mut tar = Command::new("tar");
    tar.args(["-c", "-f", "-", "-C"]).arg(copy::no_option(dir.as_os_str()));
    tar.args(["--null", "-T", "-"]).stdin(names);
    Ok((tar, format!("{:o}", dir.metadata()?.permissions().mode() & 0o777)))
}

fn piped(mut here: Command, mut guest: Command, is_put: bool) -> Result<Transfer, Error> {
    let pipe = io::pipe().map_err(|error| Error::from(SystemError::Runtime { error }));
    let (reader, writer) = pipe?;
    let (from, to) = if is_put { (&mut here, &mut guest) } else { (&mut guest, &mut here) };
    from.stdout(writer);
    to.stdin(reader);
    Ok(Transfer { guest, here: Some(here) })
}

/// The name that a copied path gets in another directory; `.` for the contents of a directory.
fn name(path: &OsStr) -> OsString {
    let name = Path::new(path).file_name().filter(|_| !path.as_bytes().ends_with(b"/."));
    name.unwrap_or(OsStr::new(".")).to_owned()
}

fn is_dotfile(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// Matches the names that a shell can find for a pattern.
fn matcher(pattern: &OsStr) -> Option<Regex> {
    // The name of the home directory is not known.
    let pattern = if pattern == "~" { OsStr::new("*") } else { pattern };
    let mut regex = "(?s-u)^".to_owned();
    let mut bytes = pattern.as_bytes().iter();
    let mut in_class = false;
    while let Some(byte) = bytes.next() {
        match (byte, in_class) {
            (b'*', false) => regex += ".*",
            (b'?', false) => regex += ".",
            (b'[', false) => {
                regex.push('[');
                in_class = true;
            }
            (b']', true) => {
                regex.push(']');
                in_class = false;
            }
            (b'!' | b'^', true) if regex.ends_with('[') => regex.push('^'),
            (b'-', true) => regex.push('-'),
            (b'\\', _) => regex += &format!(r"\x{:02x}", bytes.next().unwrap_or(byte)),
            _ => regex += &format!(r"\x{byte:02x}"),
        }
    }
    Regex::new(&(regex + "$")).ok()
}

fn no_streams(paths: &[OsString]) -> Result<(), Error> {
    match paths.iter().any(|path| path == STREAM) {
        true => Err(Usage {
            message: format!("`{STREAM}` is a stream, but --links copies directories"),
            hint: Some(format!("a file of that name is ./{STREAM}")),
        }
        .into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_patterns_match() {
        for (pattern, fit, unfit) in [
            ("*.log", "a.log", "a.logs"),
            (r"a\*[!b-d]?", "a*xy", "a*cy"),
            ("[a-c]", "b", "d"),
            (r"\[x]", "[x]", "x"),
            ("a.b", "a.b", "axb"),
            ("?", "a", "ab"),
        ] {
            let matcher = matcher(OsStr::new(pattern)).unwrap();
            assert!(matcher.is_match(fit.as_bytes()), "{pattern} {fit}");
            assert!(!matcher.is_match(unfit.as_bytes()), "{pattern} {unfit}");
        }
        for (path, expected) in
            [("/a/b/", "b"), ("/a/b/.", "."), ("/", "."), ("..", "."), ("x", "x")]
        {
            assert_eq!(name(OsStr::new(path)), expected);
        }
    }
}
