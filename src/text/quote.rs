//! Quotes words for a shell.

/// A word, quoted for a shell. Control characters become codes: a terminal would obey or drop them,
/// and dropped ones can't be pasted (POSIX.1-2024, Shell Command Language, 2.2.4).
pub fn quote(word: &str) -> String {
    let is_eaten = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !word.contains(is_eaten) {
        // It refuses only a NUL, which no word contains.
        return shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned());
    }
    let mut quoted = "$'".to_owned();
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            _ if is_eaten(c) => {
                for byte in c.to_string().bytes() {
                    quoted += &format!("\\{byte:03o}");
                }
            }
            _ => quoted.push(c),
        }
    }
    quoted + "'"
}
