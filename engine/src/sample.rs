//! Samples of exactly the size asked for, chosen by a seed: the same seed, the same rows, on every machine.

/// `wanted` of `total` rows, ascending, every such set as likely as any other; all rows where there are no more. Selection
/// sampling: Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S.
///
/// ```
/// let rows = vinedb_engine::sample_rows(1000, 10, 7);
/// assert_eq!(rows.len(), 10);
/// assert!(rows.is_sorted() && rows[9] < 1000);
/// assert_eq!(rows, vinedb_engine::sample_rows(1000, 10, 7));
/// ```
#[must_use]
pub fn sample_rows(total: usize, wanted: usize, seed: u64) -> Vec<usize> {
    if wanted >= total {
        return (0..total).collect();
    }
    let mut random = Random::new(seed);
    let mut rows = Vec::with_capacity(wanted);
    for row in 0..total {
        if random.below(total - row) < wanted - rows.len() {
            rows.push(row);
        }
    }
    rows
}

/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `bound` - 1; 0 for a bound of 0. The high half of a product: its bias is below bound / 2⁶⁴.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.next()) * bound as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// From 0 to below 1.
    pub(crate) fn share(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in an f64")]
        let bits = (self.next() >> 11) as f64;
        bits / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_the_size_asked_for_and_choose_evenly() {
        let mut chosen = vec![0; 50];
        for seed in 0..2000 {
            let rows = sample_rows(50, 10, seed);
            assert!(rows.len() == 10 && rows.is_sorted_by(|one, two| one < two));
            rows.into_iter().for_each(|row| chosen[row] += 1);
        }
        // 400 are expected of each, with a standard deviation of 18.
        assert!(
            chosen.iter().all(|count| (310..490).contains(count)),
            "{chosen:?}"
        );
        assert_eq!(sample_rows(3, 10, 1), [0, 1, 2]);
        assert!(sample_rows(3, 0, 1).is_empty() && sample_rows(0, 3, 1).is_empty());
    }
}
