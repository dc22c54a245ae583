//! The user's home directory as OpenSSH finds it: from the user database, not from `$HOME`.

use std::path::PathBuf;

/// The home directory of this user in `/etc/passwd`, or `$HOME` if the user is not in it.
pub fn home() -> Option<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let listed = users.lines().find_map(|line| home_of(user, line));
    listed.or_else(|| std::env::var_os("HOME")).map(PathBuf::from)
}

/// The home directory in a line of passwd(5), if the line is the user's.
fn home_of(user: u32, line: &str) -> Option<std::ffi::OsString> {
    let fields: Vec<_> = line.split(':').collect();
    let is_it = fields.get(2).is_some_and(|field| field.parse() == Ok(user));
    fields.get(5).filter(|_| is_it).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line() {
        let line = "ada:x:1000:100:Ada,,,:/home/ada:/bin/sh";
        assert_eq!(home_of(1000, line).unwrap(), "/home/ada");
        assert_eq!(home_of(100, line), None);
        assert_eq!(home_of(1000, "ada:x:1000"), None);
    }
}
