//! Splits prose into sentences, as a reader would: `Sta. Rita Hills`, `13.5%` and `J. R.` end none.

/// What stands before a full stop that ends no sentence, in lower case.
const ABBREVIATIONS: &[&str] = &[
    "st", "ste", "sta", "mt", "mr", "mrs", "ms", "dr", "jr", "sr", "vs", "no", "ca", "approx",
    "est", "bros", "vol", "alc", "e.g", "i.e", "etc",
];
const CLOSING: &[char] = &['"', '\'', '”', '’', ')', '»', ']'];

/// The sentences of a text, in order, without the white space around them.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, mark) in text.char_indices() {
        if let Some(end) = end_of_sentence(text, at, mark).filter(|&end| end > start) {
            sentences.push(&text[start..end]);
            start = end;
        }
    }
    sentences.push(&text[start..]);
    sentences
        .iter()
        .map(|sentence| sentence.trim())
        .filter(|sentence| sentence.contains(char::is_alphanumeric))
        .collect()
}

/// Where the sentence ends that may end with the mark at `at`: behind the quotes and brackets that close after it.
fn end_of_sentence(text: &str, at: usize, mark: char) -> Option<usize> {
    if mark == '\n' {
        return Some(at + 1);
    }
    if !matches!(mark, '.' | '!' | '?' | '…') {
        return None;
    }
    let behind = &text[at + mark.len_utf8()..];
    let rest = behind.trim_start_matches(CLOSING);
    let next = rest.trim_start();
    let ends =
        next.is_empty() || (rest.len() > next.len() && !next.starts_with(char::is_lowercase));
    let is_abbreviation =
        mark == '.' && rest.len() == behind.len() && !next.is_empty() && abbreviates(&text[..at]);
    (ends && !is_abbreviation).then(|| text.len() - rest.len())
}

/// Whether what comes before a full stop is an abbreviation or an initial.
fn abbreviates(before: &str) -> bool {
    let word = before
        .rsplit(|c: char| c.is_whitespace() || c == '(')
        .next()
        .unwrap_or_default();
    let is_initial = word.chars().count() == 1 && word.starts_with(char::is_uppercase);
    is_initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_a_reader_stops() {
        for (text, expected) in [
            (
                "Lean and saline. Drink now! Or later?",
                vec!["Lean and saline.", "Drink now!", "Or later?"],
            ),
            (
                "At 13.5% it is light. $12.99 well spent.",
                vec!["At 13.5% it is light.", "$12.99 well spent."],
            ),
            (
                "From Sta. Rita Hills and St. Helena. Good.",
                vec!["From Sta. Rita Hills and St. Helena.", "Good."],
            ),
            (
                "Made by J. R. Smith. Fine.",
                vec!["Made by J. R. Smith.", "Fine."],
            ),
            (
                "He said \"buy it.\" I did.",
                vec!["He said \"buy it.\"", "I did."],
            ),
            (
                "Salt... and stone. No oak",
                vec!["Salt... and stone.", "No oak"],
            ),
            (
                "Long finish… Élan. (Tasted: 2020)",
                vec!["Long finish…", "Élan.", "(Tasted: 2020)"],
            ),
            ("First line\nSecond line", vec!["First line", "Second line"]),
            ("  \n ... \n", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(split(text), expected, "{text:?}");
        }
    }

    #[test]
    fn nothing_is_lost() {
        let text = "Ripe. (Very.) “So good!” Dr. No. likes 12.5 % of it; e.g. now… ok";
        let joined: String = split(text).concat();
        let dense = |text: &str| {
            text.chars()
                .filter(|c| !c.is_whitespace())
                .collect::<String>()
        };
        assert_eq!(dense(&joined), dense(text));
    }
}
