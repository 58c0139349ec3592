//! Prices: amounts in dollars, and the limit that a question in plain English sets ("under 20 dollars", "at most $30").

use std::fmt;

use serde::Serialize;
use vinedb::Filter;

/// Words that may stand before an amount and set a limit; whether the amount itself is within it.
const BEFORE: &[(&str, bool)] = &[
    ("no more than", true),
    ("not more than", true),
    ("up to", true),
    ("at most", true),
    ("max", true),
    ("maximum", true),
    ("less than", false),
    ("cheaper than", false),
    ("under", false),
    ("below", false),
];
/// Words that may stand behind it.
const BEHIND: &[&str] = &[
    "or less", "or under", "or below", "max", "maximum", "at most",
];
const CURRENCY: &[&str] = &["dollar", "dollars", "bucks", "usd"];

/// The most that a wine may cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Limit {
    dollars: f64,
    inclusive: bool,
}

impl Limit {
    pub(crate) fn at_most(dollars: f64) -> Self {
        Self {
            dollars,
            inclusive: true,
        }
    }

    /// The limit that a question names, if it names one.
    pub(crate) fn in_question(question: &str) -> Option<Self> {
        let lower = question.to_lowercase();
        let words: Vec<&str> = lower
            .split_whitespace()
            .map(|word| word.trim_matches(|c| ",.;:!?()\"'“”".contains(c)))
            .collect();
        (0..words.len()).find_map(|at| limit_at(&words, at))
    }

    pub(crate) fn filter(self, field: &str) -> Filter {
        if self.inclusive {
            Filter::lte(field, self.dollars)
        } else {
            Filter::lt(field, self.dollars)
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} ${}",
            if self.inclusive { "at most" } else { "under" },
            self.dollars
        )
    }
}

/// An amount such as `$24`, `1,250.50` or `24`.
pub(crate) fn parse(amount: &str) -> Option<f64> {
    let digits = amount.trim().trim_start_matches('$').replace(',', "");
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    digits
        .parse()
        .ok()
        .filter(|dollars: &f64| dollars.is_finite())
}

fn limit_at(words: &[&str], at: usize) -> Option<Limit> {
    let (dollars, length) = amount_at(words, at)?;
    let before = words[..at].join(" ");
    let behind = words[at + length..].join(" ");
    let said_before = BEFORE
        .iter()
        .find(|(phrase, _)| ends_with_words(&before, phrase))
        .map(|&(_, inclusive)| inclusive);
    let inclusive = said_before.or_else(|| {
        BEHIND
            .iter()
            .any(|phrase| starts_with_words(&behind, phrase))
            .then_some(true)
    })?;
    Some(Limit { dollars, inclusive })
}

/// The amount of money that begins at this word, and how many words it takes. A bare number is not money.
fn amount_at(words: &[&str], at: usize) -> Option<(f64, usize)> {
    let word = words[at];
    if word.starts_with('$') {
        return Some((parse(word)?, 1));
    }
    if let Some(number) = word.strip_suffix('$') {
        return Some((parse(number)?, 1));
    }
    let unit = words.get(at + 1)?;
    CURRENCY
        .contains(unit)
        .then(|| parse(word))
        .flatten()
        .map(|dollars| (dollars, 2))
}

fn ends_with_words(text: &str, phrase: &str) -> bool {
    text.strip_suffix(phrase)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
}

fn starts_with_words(text: &str, phrase: &str) -> bool {
    text.strip_prefix(phrase)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (text, dollars) in [("$24", 24.0), ("1,250.50", 1250.5), (" $8 ", 8.0)] {
            assert_eq!(parse(text), Some(dollars));
        }
        for text in ["", "$", "free", "nan", "$inf", "-3", "12 EUR", "1e999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_question_may_name_a_limit() {
        for (question, limit) in [
            ("a light red for grilled fish under 20 dollars", "under $20"),
            ("Something fizzy, at most $30!", "at most $30"),
            ("no more than $12.50, please", "at most $12.5"),
            ("a gift for less than 100 USD", "under $100"),
            ("red, 25$ or less", "at most $25"),
            ("below $15: a rosé", "under $15"),
        ] {
            assert_eq!(
                Limit::in_question(question).unwrap().to_string(),
                limit,
                "{question}"
            );
        }
        for question in [
            "aged under 20 years",
            "more than $50",
            "a $20 wine",
            "thunder $20",
            "under the sea",
            "under $nan",
            "under",
        ] {
            assert_eq!(Limit::in_question(question), None, "{question}");
        }
    }
}
