//! Escapes the values of variables and the config's directory in OpenSSH's options. ssh must read
//! them as plain text, but it expands `%` and `${`, and has its own quotes.

use std::path::Path;

/// Options in which ssh expands `%` (ssh_config(5), "TOKENS").
const TOKENS: [&str; 13] = [
    "CertificateFile",
    "ControlPath",
    "HostName",
    "IdentityAgent",
    "IdentityFile",
    "KnownHostsCommand",
    "LocalCommand",
    "LocalForward",
    "ProxyCommand",
    "ProxyJump",
    "RemoteCommand",
    "RemoteForward",
    "UserKnownHostsFile",
];

/// Options in which ssh expands `${` (ssh_config(5), "ENVIRONMENT VARIABLES").
const ENVIRONMENT: [&str; 8] = [
    "CertificateFile",
    "ControlPath",
    "IdentityAgent",
    "IdentityFile",
    "KnownHostsCommand",
    "LocalForward",
    "RemoteForward",
    "UserKnownHostsFile",
];

/// Options with one value, which is a path.
const PATHS: [&str; 6] = [
    "CertificateFile",
    "ControlPath",
    "IdentityAgent",
    "IdentityFile",
    "RevokedHostKeys",
    "XAuthLocation",
];

/// Options with several paths on a line.
const PATH_LISTS: [&str; 2] = ["GlobalKnownHostsFile", "UserKnownHostsFile"];

/// Values of path options that are no paths.
const NO_PATHS: [&str; 2] = ["none", "SSH_AUTH_SOCK"];

fn is_among(keywords: &[&str], keyword: &str) -> bool {
    keywords.iter().any(|one| one.eq_ignore_ascii_case(keyword))
}

/// Whether the value of an option is one path.
pub fn is_path(keyword: &str) -> bool {
    is_among(&PATHS, keyword)
}

/// Escapes text for the value of an option, so that ssh expands nothing in it and sees no quotes.
/// `None` if ssh would expand a `${` in it, which can't be escaped.
pub fn literal(keyword: &str, text: &str) -> Option<String> {
    if is_among(&ENVIRONMENT, keyword) && text.contains("${") {
        return None;
    }
    let mut literal = text.to_owned();
    if is_among(&TOKENS, keyword) {
        literal = literal.replace('%', "%%");
    }
    if is_path(keyword) || is_among(&PATH_LISTS, keyword) {
        for special in ['\\', '"', '\''] {
            literal = literal.replace(special, &format!("\\{special}"));
        }
    }
    Some(literal)
}

/// Whether a value is a path relative to ssh's working directory.
pub fn is_relative(keyword: &str, value: &str) -> bool {
    let path = value.trim_matches('"');
    let is_absolute = path.starts_with(['/', '~', '$']) || path.starts_with("%d");
    is_path(keyword) && !path.is_empty() && !is_absolute && !is_among(&NO_PATHS, path)
}

/// Makes a relative path absolute: it begins at `dir`. If it is in quotes, it stays in them.
pub fn absolute(keyword: &str, value: &str, dir: &Path) -> Option<String> {
    let dir = literal(keyword, &dir.display().to_string())?;
    let (quote, path) = value.split_at(value.len() - value.trim_start_matches('"').len());
    Some(format!("{quote}{}/{path}", dir.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ssh_expands_is_escaped() {
        for (keyword, text, expected) in [
            ("identityfile", "/a%2F/b", Some("/a%%2F/b")),
            ("HostName", "fe80::1%eth0", Some("fe80::1%%eth0")),
            ("User", "50%", Some("50%")),
            ("SetEnv", "A=${B}", Some("A=${B}")),
            ("IdentityFile", "/it's \"a\\b\"", Some("/it\\'s \\\"a\\\\b\\\"")),
            ("ProxyCommand", "nc '%'", Some("nc '%%'")),
            ("IdentityFile", "/${b}/key", None),
        ] {
            assert_eq!(literal(keyword, text).as_deref(), expected, "{keyword} {text}");
        }
    }

    #[test]
    fn relative_paths_begin_at_the_directory() {
        let from = |value| absolute("IdentityFile", value, Path::new("/a%b"));
        assert_eq!(from("key").as_deref(), Some("/a%%b/key"));
        assert_eq!(from("\"a key\"").as_deref(), Some("\"/a%%b/a key\""));
        assert_eq!(absolute("IdentityFile", "k", Path::new("/")).as_deref(), Some("/k"));
        for value in ["/k", "~/k", "~u/k", "%d/k", "${K}", "$K", "none", "NONE", "\"/a k\"", ""] {
            assert!(!is_relative("IdentityFile", value), "{value}");
        }
        assert!(is_relative("CertificateFile", "../k") && is_relative("IdentityFile", "%n.key"));
        assert!(!is_relative("IdentityAgent", "SSH_AUTH_SOCK") && !is_relative("User", "u"));
    }
}
