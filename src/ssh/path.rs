//! Paths in the values of options, as ssh has them in the end.

use crate::sys::home::home;
use std::path::PathBuf;

/// The path that an option names, unless that is ssh's to tell.
pub fn path(value: &str) -> Option<PathBuf> {
    let value = value.trim_matches('"');
    // ssh expands `${NAME}`, and takes `$NAME` as it stands.
    if value == "none" || value.contains("${") {
        return None;
    }
    let (dir, rest) = match value.strip_prefix("~/").or_else(|| value.strip_prefix("%d/")) {
        Some(rest) => (home()?, rest),
        // Other people's homes are ssh's to find.
        None if value.starts_with('~') => return None,
        None => (PathBuf::new(), value),
    };
    unescape(rest).map(|rest| dir.join(rest))
}

/// The text as ssh has it in the end; `None` if it has tokens that only ssh can expand.
pub fn unescape(value: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '%' => text.push(chars.next_if_eq(&'%')?),
            '\\' => text.push(chars.next_if(|next| "\\\"'".contains(*next)).unwrap_or(c)),
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_as_ssh_has_it() {
        assert_eq!(unescape("/a%%2F/it\\'s \\\"b\\\\\\c").as_deref(), Some("/a%2F/it's \"b\\\\c"));
        assert_eq!(unescape("/%h"), None);
    }
}
