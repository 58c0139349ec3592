//! Ids: sets of them as FAISS reads them (one bit per id), the selection a search works under, and what it finds.

use std::fmt;

/// The largest id that an index takes. A set has one bit per id up to its largest: 8 GiB for this one.
pub const MAX_ID: i64 = (1 << 36) - 1;

/// A vector found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The vector's id.
    pub id: i64,
    /// Its distance in the index's metric: L2 squared, or inner product or cosine, where larger is closer.
    pub distance: f32,
}

/// Which ids a search may return.
#[derive(Debug, Clone, Copy)]
pub enum Select<'a> {
    /// Any.
    All,
    /// Those in the set.
    Only(&'a IdSet),
    /// Those not in the set.
    Except(&'a IdSet),
    /// Those from the first to the last, both included.
    Between(i64, i64),
}

impl Select<'_> {
    /// Whether a search may return the id.
    #[must_use]
    pub fn allows(&self, id: i64) -> bool {
        match self {
            Self::All => true,
            Self::Only(set) => set.contains(id),
            Self::Except(set) => !set.contains(id),
            Self::Between(first, last) => (*first..=*last).contains(&id),
        }
    }

    /// The rows that it lies in, among rows of ascending ids: all of them, but for [`Select::Between`].
    pub(crate) fn rows(self, ids: &[i64]) -> std::ops::Range<usize> {
        match self {
            Self::Between(first, last) => {
                let start = ids.partition_point(|&id| id < first);
                start..ids.partition_point(|&id| id <= last).max(start)
            }
            Self::All | Self::Only(_) | Self::Except(_) => 0..ids.len(),
        }
    }
}

/// A set of ids from 0 to [`MAX_ID`]: a bitmap that grows with the largest id, read by FAISS without a copy.
#[derive(Clone, Default)]
pub struct IdSet {
    /// Bit `id % 8` of byte `id / 8`: FAISS's `IDSelectorBitmap`.
    bits: Vec<u8>,
    len: usize,
}

impl IdSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of ids in ascending order, with room for the last one made at once.
    #[must_use]
    pub fn from_sorted(ids: &[i64]) -> Self {
        let mut set = Self::new();
        if let Some(byte) = ids.last().and_then(|&id| place(id)).map(|(byte, _)| byte) {
            set.bits.resize(byte + 1, 0);
        }
        set.extend(ids.iter().copied());
        set
    }

    /// Adds an id; whether it is new. Ids that no index takes (below 0, above [`MAX_ID`]) are left out, which changes no
    /// answer.
    pub fn insert(&mut self, id: i64) -> bool {
        let Some((byte, mask)) = place(id) else {
            return false;
        };
        if byte >= self.bits.len() {
            self.bits.resize(byte + 1, 0);
        }
        let new = self.bits[byte] & mask == 0;
        self.bits[byte] |= mask;
        self.len += usize::from(new);
        new
    }

    /// Takes an id out; whether it was there.
    pub fn remove(&mut self, id: i64) -> bool {
        let Some((byte, mask)) = place(id).filter(|_| self.contains(id)) else {
            return false;
        };
        self.bits[byte] &= !mask;
        self.len -= 1;
        true
    }

    /// Whether the id is in the set.
    #[must_use]
    pub fn contains(&self, id: i64) -> bool {
        place(id)
            .is_some_and(|(byte, mask)| self.bits.get(byte).is_some_and(|bits| bits & mask != 0))
    }

    /// How many ids there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        let bytes = self.bits.iter().enumerate().filter(|(_, bits)| **bits != 0);
        bytes.flat_map(|(byte, bits)| {
            let first = i64::try_from(byte * 8).unwrap_or(i64::MAX);
            (0..8)
                .filter(move |bit| bits & (1 << bit) != 0)
                .map(move |bit| first + bit)
        })
    }

    /// The bitmap.
    #[cfg(feature = "faiss")]
    pub(crate) fn bits(&self) -> &[u8] {
        &self.bits
    }
}

/// The byte and the bit of an id that an index may hold.
fn place(id: i64) -> Option<(usize, u8)> {
    let id = u64::try_from(id).ok().filter(|_| id <= MAX_ID)?;
    Some((usize::try_from(id / 8).ok()?, 1 << (id % 8)))
}

impl Extend<i64> for IdSet {
    fn extend<T: IntoIterator<Item = i64>>(&mut self, ids: T) {
        for id in ids {
            self.insert(id);
        }
    }
}

impl FromIterator<i64> for IdSet {
    fn from_iter<T: IntoIterator<Item = i64>>(ids: T) -> Self {
        let mut set = Self::new();
        set.extend(ids);
        set
    }
}

impl PartialEq for IdSet {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && self
                .bits
                .iter()
                .zip(&other.bits)
                .all(|(one, two)| one == two)
    }
}

impl Eq for IdSet {}

impl fmt::Debug for IdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
