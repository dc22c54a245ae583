//! Copying files into and out of the guest: scp, with cp's rules, and streams.

use super::Session;
use crate::Error;
use std::process::Command;

/// The name that stands for standard input or output.
const STREAM: &str = "-";

/// The command that copies `paths`, all but the last local, to the last one in the guest.
///
/// # Errors
/// There are fewer than two paths, or standard input is one of several.
pub fn put(session: &Session, paths: &[String]) -> Result<Command, Error> {
    let (sources, target) = split(paths)?;
    match sources {
        [source] if source == STREAM => {
            Ok(session.ssh(&[format!("cat > {}", remote_word(target))]))
        }
        _ if sources.iter().any(|source| source == STREAM) => {
            Err(usage("`-` is standard input and can't be one of several"))
        }
        _ => {
            let mut command = session.tool("scp");
            command.args(["-r", "--"]).args(sources.iter().map(|path| local(path)));
            command.arg(remote(session, target));
            Ok(command)
        }
    }
}

/// The command that copies `paths`, all but the last in the guest, to the last, local one.
///
/// # Errors
/// There are fewer than two paths.
pub fn get(session: &Session, paths: &[String]) -> Result<Command, Error> {
    let (sources, target) = split(paths)?;
    if target == STREAM {
        let words: Vec<_> = sources.iter().map(|path| remote_word(path)).collect();
        return Ok(session.ssh(&[format!("cat {}", words.join(" "))]));
    }
    let mut command = session.tool("scp");
    command.args(["-r", "--"]).args(sources.iter().map(|path| remote(session, path)));
    command.arg(local(target));
    Ok(command)
}

fn split(paths: &[String]) -> Result<(&[String], &str), Error> {
    match paths.split_last() {
        Some((target, sources)) if !sources.is_empty() => Ok((sources, target)),
        _ => Err(usage("what to copy and where to: two paths at least")),
    }
}

fn usage(message: &str) -> Error {
    Error::Usage { message: message.to_owned(), hint: None }
}

/// A local path that scp can't take for a remote one: it looks for a colon before any slash.
fn local(path: &str) -> String {
    match path.find([':', '/']) {
        Some(at) if path[at..].starts_with(':') => format!("./{path}"),
        _ => path.to_owned(),
    }
}

fn remote(session: &Session, path: &str) -> String {
    format!("{}:{path}", session.name)
}

/// A path as one word for the guest's shell, which is to expand `~` and nothing else.
fn remote_word(path: &str) -> String {
    let (home, rest) = match path.strip_prefix("~/") {
        Some(rest) => ("~/", rest),
        None => ("", path),
    };
    // A leading dash would be an option to `cat`.
    let rest = if home.is_empty() && rest.starts_with('-') {
        format!("./{rest}")
    } else {
        rest.to_owned()
    };
    format!("{home}'{}'", rest.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_stay_local() {
        assert_eq!(local("a:b"), "./a:b");
        assert_eq!(local("/x/a:b"), "/x/a:b");
        assert_eq!(local("./a:b"), "./a:b");
        assert_eq!(local("ab"), "ab");
    }

    #[test]
    fn remote_words_are_one_word() {
        assert_eq!(remote_word("/a b/$x"), "'/a b/$x'");
        assert_eq!(remote_word("it's"), r"'it'\''s'");
        assert_eq!(remote_word("~/a b"), "~/'a b'");
        assert_eq!(remote_word("-n"), "'./-n'");
    }
}
