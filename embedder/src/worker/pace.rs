//! The measured time per padded token, and how many tokens a batch may hold to stay within a time limit.
//!
//! Pure: the caller reports how long batches took. It affects the size of batches, never a vector.

use std::time::Duration;

/// The weight of the newest batch in the running mean (exponential smoothing).
const NEWEST: f64 = 0.2;

/// A running mean of seconds per token; `None` before the first batch.
#[derive(Debug, Default)]
pub(crate) struct Pace(Option<f64>);

impl Pace {
    /// Records a batch of `tokens` padded tokens.
    pub(crate) fn observe(&mut self, tokens: usize, took: Duration) {
        if tokens == 0 {
            return;
        }
        let newest = took.as_secs_f64() / as_float(tokens);
        let mean = self
            .0
            .map_or(newest, |mean| mean + NEWEST * (newest - mean));
        self.0 = Some(mean);
    }

    /// How many padded tokens take `time`: at least 1, at most `most`, and `most` before the first batch.
    pub(crate) fn budget(&self, most: usize, time: Duration) -> usize {
        match self.0 {
            Some(mean) if mean > 0.0 => floor(time.as_secs_f64() / mean).clamp(1, most.max(1)),
            _ => most,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a batch has far fewer than 2^52 tokens"
)]
fn as_float(tokens: usize) -> f64 {
    tokens as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no number is below 0 here, and a larger one than fits becomes the largest"
)]
fn floor(tokens: f64) -> usize {
    tokens as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_millis(100);

    #[test]
    fn a_slow_model_gets_smaller_batches_and_a_fast_one_what_is_allowed() {
        let mut pace = Pace::default();
        assert_eq!(pace.budget(256, TIME), 256);
        pace.observe(100, Duration::from_millis(200));
        assert_eq!(pace.budget(256, TIME), 50);
        let mut fast = Pace::default();
        fast.observe(256, Duration::from_millis(5));
        assert_eq!(fast.budget(256, TIME), 256);
        let mut hopeless = Pace::default();
        hopeless.observe(1, Duration::from_secs(60));
        assert_eq!(hopeless.budget(256, TIME), 1);
        assert_eq!(hopeless.budget(256, Duration::MAX), 256);
    }

    #[test]
    fn one_batch_that_was_held_up_does_not_decide() {
        let mut pace = Pace::default();
        for _ in 0..20 {
            pace.observe(100, Duration::from_millis(100));
        }
        pace.observe(100, Duration::from_millis(600));
        assert_eq!(pace.budget(256, TIME), 50);
        for _ in 0..40 {
            pace.observe(100, Duration::from_millis(100));
        }
        assert!(pace.budget(256, TIME) >= 99);
    }
}
