//! Reads paths in the values of options as ssh does.

use crate::sys::home::home;
use std::path::PathBuf;

/// The path that an option names, unless only ssh can expand it.
pub fn path(value: &str) -> Option<PathBuf> {
    let value = value.trim_matches('"');
    // ssh expands `${NAME}`, but not `$NAME`.
    if value == "none" || value.contains("${") {
        return None;
    }
    let (dir, rest) = match value.strip_prefix("~/").or_else(|| value.strip_prefix("%d/")) {
        Some(rest) => (home()?, rest),
        // Only ssh can expand other users' homes.
        None if value.starts_with('~') => return None,
        None => (PathBuf::new(), value),
    };
    unescape(rest).map(|rest| dir.join(rest))
}

/// The text without escapes, as ssh reads it; `None` if it has tokens that only ssh can expand.
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
