//! The US keyboard: which key, by QEMU's name, makes which character.

/// The keys of characters that are no letters and digits: without and with shift.
const KEYS: [(char, char, &str); 21] = [
    ('`', '~', "grave_accent"),
    ('-', '_', "minus"),
    ('=', '+', "equal"),
    ('[', '{', "bracket_left"),
    (']', '}', "bracket_right"),
    ('\\', '|', "backslash"),
    (';', ':', "semicolon"),
    ('\'', '"', "apostrophe"),
    (',', '<', "comma"),
    ('.', '>', "dot"),
    ('/', '?', "slash"),
    ('1', '!', "1"),
    ('2', '@', "2"),
    ('3', '#', "3"),
    ('4', '$', "4"),
    ('5', '%', "5"),
    ('6', '^', "6"),
    ('7', '&', "7"),
    ('8', '*', "8"),
    ('9', '(', "9"),
    ('0', ')', "0"),
];

/// The keys that are held down together for a character; `None` if the layout does not have it.
pub(super) fn keys(character: char) -> Option<Vec<String>> {
    let (key, shifted) = match character {
        ' ' => ("spc".to_owned(), false),
        '\n' => ("ret".to_owned(), false),
        '\t' => ("tab".to_owned(), false),
        'a'..='z' | 'A'..='Z' => {
            (character.to_ascii_lowercase().to_string(), character.is_ascii_uppercase())
        }
        _ => {
            let is_its = |(plain, shifted, _): &&(char, char, &str)| {
                *plain == character || *shifted == character
            };
            let (_, shifted, key) = KEYS.iter().find(is_its)?;
            ((*key).to_owned(), *shifted == character)
        }
    };
    Some(if shifted { vec!["shift".to_owned(), key] } else { vec![key] })
}

#[cfg(test)]
mod tests {
    use super::keys;

    #[test]
    fn every_printable_character_of_ascii_has_its_own_keys() {
        let all: Vec<_> = (' '..='~').map(|character| keys(character).unwrap()).collect();
        for (at, keys) in all.iter().enumerate() {
            assert!(!all[..at].contains(keys), "{keys:?}");
        }
        assert_eq!(keys('A').unwrap(), ["shift", "a"]);
        assert_eq!(keys('?').unwrap(), ["shift", "slash"]);
        for character in ['é', '\u{1b}', '\r', '€'] {
            assert_eq!(keys(character), None);
        }
    }
}
