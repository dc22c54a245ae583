//! Words as a shell takes them.

/// A word as a shell takes it, control characters by their codes: a terminal obeys them or eats
/// them, and what it eats can't be pasted (POSIX.1-2024, Shell Command Language, 2.2.4).
pub fn quote(word: &str) -> String {
    let is_eaten = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !word.contains(is_eaten) {
        // What it refuses is a NUL, which no word has.
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
