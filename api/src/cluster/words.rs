//! The words that tell a cluster from the others, out of its documents' texts.
//!
//! Class-based TF-IDF (Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF procedure", arXiv
//! 2203.05794, 2022): the weight of a word in a cluster is tf · ln(1 + A / f), with A the words of an average cluster and f
//! the word's over all clusters. Here tf is the share of the cluster's documents that have the word, so that one document
//! cannot push a word by repeating it. That alone leaves stop words high up where clusters are few, so it is multiplied by
//! the square of ln(share in the cluster / share in all documents): what all clusters use alike weighs nothing, in any
//! language, and what they use nearly alike weighs next to nothing. Words are not stemmed.

use std::collections::{HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation;

/// Letters that a word has at least, where they are not CJK.
const LETTERS: usize = 3;
/// Longer ones are no words.
const MOST_LETTERS: usize = 40;
/// The share of a cluster's documents that have a word of its: one of a few is chance.
const LEAST_SHARE: f64 = 0.03;
/// Bytes of a text that are read.
const TEXT_BYTES: usize = 20_000;

/// How many documents of each cluster have which words.
pub(super) struct Words {
    numbers: HashMap<String, usize>,
    clusters: Vec<Counts>,
}

/// Of one cluster.
#[derive(Clone, Default)]
struct Counts {
    documents: u32,
    with: HashMap<usize, u32>,
}

impl Words {
    pub(super) fn new(clusters: usize) -> Self {
        Self {
            numbers: HashMap::new(),
            clusters: vec![Counts::default(); clusters],
        }
    }

    /// Counts the words of one document.
    pub(super) fn add(&mut self, cluster: usize, text: &str) {
        let words = words(&text[..text.floor_char_boundary(TEXT_BYTES)]);
        let counts = &mut self.clusters[cluster];
        counts.documents += 1;
        for word in words {
            let next = self.numbers.len();
            let number = *self.numbers.entry(word).or_insert(next);
            *counts.with.entry(number).or_default() += 1;
        }
    }

    /// Up to `most` words of each cluster, the most telling first; `sizes` is how many documents the clusters really have.
    pub(super) fn telling(&self, sizes: &[usize], most: usize) -> Vec<Vec<String>> {
        let everywhere = self.everywhere(sizes);
        let mut spelled = vec![""; self.numbers.len()];
        for (word, &number) in &self.numbers {
            spelled[number] = word;
        }
        let of = |counts: &Counts| {
            let mut weighed: Vec<(f64, &str)> = counts
                .with
                .iter()
                .map(|(&number, &with)| {
                    let weight = everywhere.weight(counts.share(with), number);
                    (weight, spelled[number])
                })
                .filter(|(weight, _)| *weight > 0.0)
                .collect();
            weighed.sort_unstable_by(|one, two| two.0.total_cmp(&one.0).then(one.1.cmp(two.1)));
            weighed
                .into_iter()
                .take(most)
                .map(|(_, word)| word.to_owned())
                .collect()
        };
        self.clusters.iter().map(of).collect()
    }

    fn everywhere(&self, sizes: &[usize]) -> Everywhere {
        let documents: f64 = self.with_text(sizes).map(|(size, _)| size).sum();
        let clusters = self.with_text(sizes).count();
        let words: f64 = self
            .with_text(sizes)
            .map(|(_, counts)| counts.words())
            .sum();
        let mut everywhere = Everywhere {
            average: words / clusters.max(1) as f64,
            frequency: vec![0.0; self.numbers.len()],
            share: vec![0.0; self.numbers.len()],
        };
        for (size, counts) in self.with_text(sizes) {
            for (&number, &with) in &counts.with {
                everywhere.frequency[number] += counts.share(with);
                everywhere.share[number] += counts.share(with) * size / documents;
            }
        }
        everywhere
    }

    fn with_text(&self, sizes: &[usize]) -> impl Iterator<Item = (f64, &Counts)> {
        let sizes = sizes.iter().map(|&size| size as f64);
        sizes
            .zip(&self.clusters)
            .filter(|(_, counts)| counts.documents > 0)
    }
}

impl Counts {
    /// The share of documents that these are.
    fn share(&self, documents: u32) -> f64 {
        f64::from(documents) / f64::from(self.documents)
    }

    /// Different words of a document, on average. Counted as integers, so that the order does not matter.
    fn words(&self) -> f64 {
        let all: u64 = self.with.values().map(|&with| u64::from(with)).sum();
        all as f64 / f64::from(self.documents)
    }
}

/// All clusters together; by the words' numbers.
struct Everywhere {
    /// A of c-TF-IDF.
    average: f64,
    /// f of c-TF-IDF.
    frequency: Vec<f64>,
    /// The share of all documents that have the word.
    share: Vec<f64>,
}

impl Everywhere {
    /// Above 0 for a word that tells.
    fn weight(&self, share: f64, word: usize) -> f64 {
        let all = self.share[word];
        if share < LEAST_SHARE || share <= all {
            return 0.0;
        }
        let class_based = share * (1.0 + self.average / self.frequency[word]).ln();
        class_based * (share / all).ln().powi(2)
    }
}

/// The different words of a text, in lower case: by Unicode's word boundaries (UAX 29), with three letters at least and
/// without an English genitive; of CJK characters that follow each other, which have no boundaries between words, each two.
fn words(text: &str) -> HashSet<String> {
    let mut words = HashSet::new();
    let mut before: Option<(usize, &str)> = None;
    for (start, word) in text.unicode_word_indices() {
        if !word.chars().all(is_cjk) {
            before = None;
            words.extend(spelled(word));
            continue;
        }
        match before {
            _ if word.chars().nth(1).is_some() => _ = words.insert(word.to_owned()),
            Some((end, first)) if end == start => _ = words.insert(format!("{first}{word}")),
            _ => {}
        }
        before = Some((start + word.len(), word));
    }
    words
}

fn spelled(word: &str) -> Option<String> {
    let word = word.to_lowercase();
    let stem = word
        .strip_suffix("'s")
        .or_else(|| word.strip_suffix("’s"))
        .unwrap_or(&word);
    let letters = stem.chars().filter(|letter| letter.is_alphabetic()).count();
    (LETTERS..=MOST_LETTERS)
        .contains(&letters)
        .then(|| stem.to_owned())
}

/// Chinese characters, Japanese syllables, Korean blocks.
fn is_cjk(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(text: &str) -> Vec<String> {
        let mut all: Vec<String> = words(text).into_iter().collect();
        all.sort();
        all
    }

    #[test]
    fn words_are_split_by_the_rules_of_unicode() {
        assert_eq!(
            sorted("Ripe CHERRY, cherry-tart; the vineyard's 2012 oak—in Zürich, a €30 wine!"),
            [
                "cherry", "oak", "ripe", "tart", "the", "vineyard", "wine", "zürich"
            ]
        );
        assert_eq!(sorted("赤ワイン と 白ワイン"), ["ワイン"]);
        assert_eq!(sorted("红葡萄酒,白"), ["红葡", "萄酒", "葡萄"]);
        assert_eq!(sorted("와인 좋은"), ["와인", "좋은"]);
        assert!(sorted("a of 12 3.4 --- ").is_empty());
        assert!(sorted(&"x".repeat(MOST_LETTERS + 1)).is_empty());
    }

    /// Two clusters: fish and bicycles, with words that both use and one that comes up once.
    fn counted() -> Words {
        let mut words = Words::new(3);
        for text in [
            "the salmon and the trout swim in the river",
            "the trout is a fish and it can swim",
            "the herring and the salmon are fish fish fish",
        ] {
            words.add(0, text);
        }
        for text in [
            "the bicycle and the chain",
            "the saddle of the bicycle and the river",
        ] {
            words.add(1, text);
        }
        words
    }

    #[test]
    fn what_all_say_tells_nothing_and_what_one_cluster_says_does() {
        let telling = counted().telling(&[300, 200, 0], 4);
        assert_eq!(telling[0], ["fish", "salmon", "swim", "trout"]);
        assert_eq!(telling[1], ["bicycle", "chain", "saddle", "river"]);
        assert!(telling[2].is_empty());
        let all = counted().telling(&[300, 200, 0], 100);
        for stop in ["the", "and"] {
            assert!(all.iter().flatten().all(|word| word != stop), "{all:?}");
        }
        assert!(
            counted()
                .telling(&[300, 200, 0], 0)
                .iter()
                .all(Vec::is_empty)
        );
    }

    #[test]
    fn weights_are_those_of_the_formula() {
        let words = counted();
        let everywhere = words.everywhere(&[300, 200, 0]);
        // Of the first cluster's documents 2/3 say salmon, none of the second's.
        let number = words.numbers["salmon"];
        let average = (f64::from(6 + 6 + 6) / 3.0 + f64::from(4 + 5) / 2.0) / 2.0;
        let share = 2.0 / 3.0;
        let class_based = share * (1.0_f64 + average / share).ln();
        let expected = class_based * (500.0_f64 / 300.0).ln().powi(2);
        let found = everywhere.weight(share, number);
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn a_long_text_is_read_in_part() {
        let mut words = Words::new(1);
        words.add(0, &format!("{}zzz", "é ".repeat(TEXT_BYTES)));
        assert!(words.numbers.is_empty());
    }
}
