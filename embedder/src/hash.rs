//! An embedder without a model: deterministic vectors that know words, not meanings. For unit tests and examples of code
//! that needs some embedder; never a default, and no substitute for a model in a search that people use.
//!
//! Every word (lower-cased run of letters and digits) is hashed to a sequence of signs, and a text's vector is the sum
//! over its words, scaled to length 1: texts that share words are near each other (random projection of the bag of words;
//! Achlioptas, "Database-friendly random projections", 2003). Purpose makes no difference.

use crate::embed::{Embed, Embeddings, Pending, Purpose};
use crate::error::Result;
use crate::identity::Identity;
use crate::pool;
use crate::settings::PoolingMode;

/// Words per text; longer texts are truncated.
const MAX_WORDS: usize = 512;

/// A deterministic embedder without a model, for tests and examples only: texts that share words get similar vectors (a random
/// projection of the bag of words; Achlioptas, "Database-friendly random projections", 2003).
#[derive(Debug, Clone)]
pub struct HashEmbedder {
    identity: Identity,
}

impl HashEmbedder {
    /// An embedder of `dimension` components per vector; at least 1, which 0 is taken for.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        let identity = Identity {
            name: "hash".to_owned(),
            hash: "signed-words-1".to_owned(),
            dimension: dimension.max(1),
            pooling: PoolingMode::Mean.into(),
            normalize: true,
            max_length: MAX_WORDS,
            query_prefix: String::new(),
            document_prefix: String::new(),
        };
        Self { identity }
    }

    /// The vector of one text, how many words it was made of, and whether the text was cut.
    fn vector(&self, text: &str) -> (Vec<f32>, usize, bool) {
        let mut vector = vec![0.0; self.identity.dimension];
        let mut words = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());
        let mut count = 0;
        for word in words.by_ref().take(MAX_WORDS) {
            add_signs(&mut vector, hash_of(word));
            count += 1;
        }
        if count == 0 {
            add_signs(&mut vector, hash_of(""));
        }
        pool::normalize(&mut vector);
        (vector, count, words.next().is_some())
    }
}

impl Embed for HashEmbedder {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn room(&self) -> usize {
        MAX_WORDS
    }

    fn tokens(&self, text: &str) -> Result<Vec<usize>> {
        let begins = |(at, c): &(usize, char)| {
            c.is_alphanumeric() && !text[..*at].ends_with(char::is_alphanumeric)
        };
        let words = text.char_indices().filter(begins);
        Ok(words.map(|(at, _)| at).collect())
    }

    fn submit(&self, texts: Vec<String>, _purpose: Purpose) -> Result<Pending> {
        let (mut data, mut truncated, mut words) = (Vec::new(), Vec::new(), 0);
        for text in &texts {
            let (vector, count, cut) = self.vector(text);
            data.extend(vector);
            truncated.push(cut);
            words += count;
        }
        let embeddings = Embeddings::new(self.identity.dimension, data, truncated)?;
        Ok(Pending::ready(embeddings.with_tokens(words)))
    }
}

/// FNV-1a over the lower-cased word's UTF-8.
fn hash_of(word: &str) -> u64 {
    let bytes = word
        .chars()
        .flat_map(char::to_lowercase)
        .flat_map(|c| c.to_string().into_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Adds 1 or -1 to every component, by the bits of a SplitMix64 sequence that starts at `state`.
fn add_signs(vector: &mut [f32], mut state: u64) {
    for block in vector.chunks_mut(64) {
        let bits = next_bits(&mut state);
        for (bit, value) in block.iter_mut().enumerate() {
            *value += if bits >> bit & 1 == 0 { 1.0 } else { -1.0 };
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn next_bits(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn shared_words_bring_texts_together() {
        let texts = [
            "a red wine from Piedmont",
            "RED WINE, from Tuscany",
            "bicycle repair manual",
            "",
            "!?",
        ];
        let rows = HashEmbedder::new(384)
            .embed(&texts, Purpose::Document)
            .unwrap();
        assert!(dot(rows.row(0), rows.row(1)) > 0.5);
        assert!(dot(rows.row(0), rows.row(2)).abs() < 0.3);
        assert_eq!(rows.row(3), rows.row(4), "no words, whatever the signs");
        for row in rows.rows() {
            assert!((dot(row, row) - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn vectors_never_change() {
        let rows = HashEmbedder::new(4)
            .embed(&["wine"], Purpose::Query)
            .unwrap();
        assert_eq!(
            rows.row(0)
                .iter()
                .map(|value| value.abs())
                .collect::<Vec<_>>(),
            [0.5; 4]
        );
        let again = HashEmbedder::new(4)
            .embed(&["wine"], Purpose::Document)
            .unwrap();
        assert_eq!(rows, again);
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let embedder = HashEmbedder::new(16);
        let words = |count: usize| "word ".repeat(count);
        let texts = [words(MAX_WORDS), words(MAX_WORDS) + "other"];
        let rows = embedder
            .submit(texts.to_vec(), Purpose::Document)
            .unwrap()
            .wait()
            .unwrap();
        assert_eq!(rows.truncated(), [false, true]);
        assert_eq!(rows.row(0), rows.row(1));
    }
}
