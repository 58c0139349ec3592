//! Which texts a collection's model has embedded while this process writes, so that none is embedded twice.
//!
//! Of a text that was stored, its hash and the id of the document that has its vector are kept: a few bytes each, of the last
//! million or so. A text that another thread is embedding right now is waited for. Invariant: who waits has published what
//! it claimed before, so that nobody waits for a waiter. A collection is locked to its model, so the text alone decides.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use sha2::{Digest, Sha256};

/// Texts of a generation; the one before the current is kept as well.
const GENERATION: usize = 1 << 19;

/// What stands for a text: half of its SHA-256.
pub(crate) type Print = [u8; 16];

/// A text's vector, and whether the text was longer than the model reads.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) vector: Vec<f32>,
    pub(crate) truncated: bool,
}

/// What somebody is about to make; nothing in it once that failed.
type Slot = Arc<OnceLock<Option<Made>>>;

#[derive(Clone)]
enum Known {
    Stored { id: i64, truncated: bool },
    Flying(Slot),
}

/// What is to be done about a text.
pub(crate) enum Claim {
    /// The document `id` had its vector when it was written.
    Stored { id: i64, truncated: bool },
    /// Another thread makes it.
    Theirs(Theirs),
    /// It is the claimer's to make.
    Mine(Mine),
}

/// A vector that another thread makes.
pub(crate) struct Theirs(Slot);

impl Theirs {
    /// Waits for it; nothing when the other thread failed.
    pub(crate) fn wait(&self) -> Option<Made> {
        self.0.wait().clone()
    }
}

/// A promise to make a text's vector. Dropped unkept, it tells those who wait.
pub(crate) struct Mine {
    print: Print,
    slot: Slot,
    texts: Arc<Texts>,
}

impl Mine {
    /// Hands the vector to those who wait for it.
    pub(crate) fn publish(&self, made: &Made) {
        // Only the claimer writes, and once.
        let _ = self.slot.set(Some(made.clone()));
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let _ = self.slot.set(None);
        self.texts.lock().land(&self.print, &self.slot);
    }
}

/// The texts of a collection.
#[derive(Default)]
pub(crate) struct Texts(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Print, Known>,
    old: HashMap<Print, Known>,
}

/// The print of a text.
pub(crate) fn print(text: &str) -> Print {
    let digest = Sha256::digest(text);
    let mut print = Print::default();
    print.copy_from_slice(&digest[..16]);
    print
}

impl Texts {
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims distinct texts, all of them at once.
    pub(crate) fn claim(self: &Arc<Self>, prints: &[Print]) -> Vec<Claim> {
        let mut known = self.lock();
        let claim = |print: &Print| match known.get(print) {
            Some(Known::Stored { id, truncated }) => Claim::Stored { id, truncated },
            Some(Known::Flying(slot)) => Claim::Theirs(Theirs(slot)),
            None => {
                let slot = Slot::default();
                known.put(*print, Known::Flying(Arc::clone(&slot)));
                Claim::Mine(Mine {
                    print: *print,
                    slot,
                    texts: Arc::clone(self),
                })
            }
        };
        prints.iter().map(claim).collect()
    }

    /// Notes that the document `id` was written with the vector of its text.
    pub(crate) fn stored(&self, texts: impl Iterator<Item = (Print, i64, bool)>) {
        let mut known = self.lock();
        for (print, id, truncated) in texts {
            known.put(print, Known::Stored { id, truncated });
        }
    }
}

impl Generations {
    fn get(&self, print: &Print) -> Option<Known> {
        self.young
            .get(print)
            .or_else(|| self.old.get(print))
            .cloned()
    }

    fn put(&mut self, print: Print, known: Known) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(print, known);
    }

    /// Forgets a claim that came to no stored document.
    fn land(&mut self, print: &Print, slot: &Slot) {
        for generation in [&mut self.young, &mut self.old] {
            if let Some(Known::Flying(other)) = generation.get(print)
                && Arc::ptr_eq(other, slot)
            {
                generation.remove(print);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(value: f32) -> Made {
        Made {
            vector: vec![value],
            truncated: false,
        }
    }

    fn one(texts: &Arc<Texts>, text: &str) -> Claim {
        texts.claim(&[print(text)]).remove(0)
    }

    #[test]
    fn a_text_is_claimed_once_and_waited_for() {
        let texts = Arc::new(Texts::default());
        let (Claim::Mine(mine), Claim::Theirs(theirs)) = (one(&texts, "a"), one(&texts, "a"))
        else {
            panic!("the first claims, the second waits");
        };
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| theirs.wait());
            mine.publish(&made(3.0));
            assert_eq!(waiter.join().unwrap().unwrap().vector, [3.0]);
        });
        texts.stored([(print("a"), 7, true)].into_iter());
        drop(mine);
        assert!(matches!(
            one(&texts, "a"),
            Claim::Stored {
                id: 7,
                truncated: true
            }
        ));
    }

    #[test]
    fn a_broken_promise_is_told_and_leaves_the_text_to_the_next() {
        let texts = Arc::new(Texts::default());
        let (Claim::Mine(mine), Claim::Theirs(theirs)) = (one(&texts, "a"), one(&texts, "a"))
        else {
            panic!("the first claims, the second waits");
        };
        drop(mine);
        assert!(theirs.wait().is_none());
        assert!(matches!(one(&texts, "a"), Claim::Mine(_)));
    }

    #[test]
    fn old_texts_are_forgotten_and_young_ones_kept() {
        let mut known = Generations::default();
        let number = |number: usize| print(&number.to_string());
        for id in 0..=2 * GENERATION {
            let id = i64::try_from(id).unwrap();
            let print = print(&id.to_string());
            known.put(
                print,
                Known::Stored {
                    id,
                    truncated: false,
                },
            );
        }
        assert!(known.get(&number(0)).is_none());
        assert!(known.get(&number(GENERATION + 1)).is_some());
        assert!(known.young.len() + known.old.len() <= 2 * GENERATION);
    }
}
