//! "Did you mean": finds the known name that is most similar to an unknown one.

use strsim::damerau_levenshtein;

/// The candidate most similar to `name`, if it is similar enough for a typing error.
///
/// Case and the difference between `-` and `_` do not count.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(name);
    candidates
        .into_iter()
        .map(|candidate| (damerau_levenshtein(&wanted, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= (wanted.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_nothing_else() {
        let names = ["test-vm", "build-vm", "port"];
        assert_eq!(nearest("tset-vm", names), Some("test-vm"));
        assert_eq!(nearest("Test_VM", names), Some("test-vm"));
        assert_eq!(nearest("prot", names), Some("port"));
        assert_eq!(nearest("x", names), None);
        assert_eq!(nearest("database", names), None);
    }
}
