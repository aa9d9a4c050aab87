//! "Did you mean": the word that a wrong one was probably meant to be.

/// Longer words than these are nobody's slip of the finger.
const WORD_BYTES_MAX: usize = 64;

/// The expected word that `wrong` is closest to, if one is close enough to be worth saying.
pub(crate) fn closest<'a>(wrong: &str, expected: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.is_empty() || wrong.len() > WORD_BYTES_MAX {
        return None;
    }
    let wrong = plain(wrong);
    expected.into_iter().filter_map(|word| Some((distance(&wrong, &plain(word))?, word))).min().map(|(_, word)| word)
}

/// How far apart two words are, if they are close: 0 for the same words in another order, then by slips of the finger; a word that is
/// part of the other comes after all slips.
fn distance(wrong: &str, word: &str) -> Option<usize> {
    let slips = strsim::damerau_levenshtein(wrong, word);
    let shorter = wrong.len().min(word.len());
    if sorted(wrong) == sorted(word) {
        Some(0)
    } else if slips <= 1.max(wrong.len().max(word.len()) / 3) && slips < shorter {
        Some(slips)
    } else if shorter >= 3 && (wrong.contains(word) || word.contains(wrong)) {
        Some(WORD_BYTES_MAX + slips)
    } else {
        None
    }
}

/// `Max-Rows` and `max_rows` are the same word.
fn plain(word: &str) -> String {
    word.to_lowercase().replace(['-', ' ', '.'], "_")
}

/// The parts of a word, sorted: `max_rows` and `rows_max` are the same.
fn sorted(word: &str) -> Vec<&str> {
    let mut parts: Vec<_> = word.split('_').collect();
    parts.sort_unstable();
    parts
}

/// `a, b and c`.
pub(crate) fn listed(words: &[String], last: &str) -> String {
    match words.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_other_orders_and_parts_are_close() {
        let keys = ["access", "rows_max", "timeout", "memory", "cpu", "read", "write"];
        for (wrong, right) in [
            ("acess", "access"),
            ("Access", "access"),
            ("max-rows", "rows_max"),
            ("rows", "rows_max"),
            ("guest_memory", "memory"),
            ("cpu_time", "cpu"),
            ("time_out", "timeout"),
            ("readonly", "read"),
            ("read-write", "write"),
        ] {
            assert_eq!(closest(wrong, keys), Some(right), "{wrong}");
        }
    }

    #[test]
    fn other_words_are_not_close() {
        for wrong in ["", "x", "rw", "colour", "http", &"memory".repeat(20)] {
            assert_eq!(closest(wrong, ["access", "rows_max", "memory", "cpu", "sql"]), None, "{wrong}");
        }
    }
}
