//! What a search sees: one immutable view of a collection's vectors, swapped whole.
//!
//! A view has a *sealed* index (shared, never written to), the *fresh* segments (flat, of the rows since, exact) and the set
//! of deleted ids. A fresh segment may grow under a view that is in use; what it gains is committed already, so seeing it
//! early is harmless. Whether an id is alive is for the document store to say; the view may lag behind it, and a search reads
//! what it lacks from the store (`open::level`).

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use engine::{Curve, Hit, IdSet, Index, Kind, Metric, SearchParams, Select};
use storage::Seal;

use crate::error::Result;

/// Vectors per fresh segment: appending to one copies at most this many, under a lock that searches share.
const SEGMENT_VECTORS: usize = 16_384;

/// The sealed index and the record of it in the document store.
pub(crate) struct Sealed {
    pub(crate) index: Index,
    pub(crate) seal: Seal,
}

/// A flat index of recent rows.
pub(crate) struct Segment {
    index: RwLock<Index>,
}

impl Segment {
    fn new(dimension: usize, metric: Metric) -> Result<Self> {
        Ok(Self {
            index: RwLock::new(Index::new(dimension, metric, &Kind::flat())?),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, ids: &[i64], vectors: &[f32]) -> Result<()> {
        Ok(self
            .index
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .add(ids, vectors)?)
    }

    fn last_id(&self) -> i64 {
        self.read().last_id().unwrap_or(0)
    }
}

/// One state of a collection's vectors.
pub(crate) struct View {
    pub(crate) dimension: usize,
    pub(crate) metric: Metric,
    pub(crate) sealed: Option<Arc<Sealed>>,
    pub(crate) fresh: Vec<Arc<Segment>>,
    pub(crate) deleted: Arc<IdSet>,
    /// The store's write counter that this view has caught up with.
    pub(crate) sequence: u64,
    /// The largest id that this view has seen.
    pub(crate) last_id: i64,
    /// The generation that the store had recorded when this view was made, whether its index file was usable or not; 0: none.
    pub(crate) generation: u64,
}

impl View {
    pub(crate) fn empty(dimension: usize, metric: Metric) -> Self {
        Self {
            dimension,
            metric,
            sealed: None,
            fresh: Vec::new(),
            deleted: Arc::default(),
            sequence: 0,
            last_id: 0,
            generation: 0,
        }
    }

    pub(crate) fn kind(&self) -> Option<&Kind> {
        self.sealed.as_ref().map(|sealed| sealed.index.kind())
    }

    /// What was measured of the sealed index.
    pub(crate) fn curve(&self) -> Option<&Curve> {
        self.sealed.as_ref().and_then(|sealed| sealed.index.curve())
    }

    pub(crate) fn sealed_len(&self) -> usize {
        self.sealed.as_ref().map_or(0, |sealed| sealed.index.len())
    }

    /// Whether the sealed index is a graph that grew since all of its vectors were looked for.
    pub(crate) fn may_miss(&self) -> bool {
        self.sealed
            .as_ref()
            .is_some_and(|sealed| sealed.index.reached() < sealed.index.len())
    }

    pub(crate) fn fresh_len(&self) -> usize {
        self.fresh.iter().map(|segment| segment.read().len()).sum()
    }

    /// Vectors in all parts, those that are deleted included.
    pub(crate) fn len(&self) -> usize {
        self.sealed_len() + self.fresh_len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let fresh: usize = self
            .fresh
            .iter()
            .map(|segment| segment.read().memory_bytes())
            .sum();
        fresh
            + self
                .sealed
                .as_ref()
                .map_or(0, |sealed| sealed.index.memory_bytes())
    }

    /// Whether an index that compares every vector is all there is.
    pub(crate) fn is_flat(&self) -> bool {
        self.kind().is_none_or(Kind::is_exact)
    }

    /// Whether an unfiltered search compares every vector, as also a graph does where walking it would take longer.
    pub(crate) fn is_exact(&self, k: usize, params: &SearchParams) -> bool {
        self.sealed.as_ref().is_none_or(|sealed| {
            let index = &sealed.index;
            index.kind().is_lossless() && index.scans(k, params, self.alive())
        })
    }

    /// The view after a write: `ids` joined with their row-major `vectors`, `deleted` ids gone. Segments up to `frozen` are
    /// being compacted and take no more; with `i64::MAX` what is new goes into segments that no other view shares.
    pub(crate) fn after_write(
        &self,
        ids: &[i64],
        vectors: &[f32],
        deleted: &[i64],
        frozen: i64,
        sequence: u64,
    ) -> Result<Self> {
        let mut next = Self {
            deleted: Arc::clone(&self.deleted),
            sequence,
            ..self.shared()
        };
        for (ids, vectors) in ids
            .chunks(SEGMENT_VECTORS)
            .zip(vectors.chunks(SEGMENT_VECTORS * self.dimension))
        {
            next.append(ids, vectors, frozen)?;
        }
        if !deleted.is_empty() {
            let mut set = IdSet::clone(&self.deleted);
            deleted.iter().for_each(|&id| {
                set.insert(id);
            });
            next.deleted = Arc::new(set);
        }
        Ok(next)
    }

    fn append(&mut self, ids: &[i64], vectors: &[f32], frozen: i64) -> Result<()> {
        let open = self.fresh.last().filter(|segment| {
            let index = segment.read();
            index.len() + ids.len() <= SEGMENT_VECTORS
                && index.last_id().is_some_and(|last| last > frozen)
        });
        match open {
            Some(segment) => segment.add(ids, vectors)?,
            None => {
                let segment = Segment::new(self.dimension, self.metric)?;
                segment.add(ids, vectors)?;
                self.fresh.push(Arc::new(segment));
            }
        }
        self.last_id = ids.last().copied().unwrap_or(self.last_id);
        Ok(())
    }

    /// The view after compaction: `sealed` takes the place of the old one and of the segments up to its last id. `deleted` are
    /// the dead ids that it may hold; those of the segments that stay are known already.
    pub(crate) fn after_seal(&self, sealed: Sealed, mut deleted: IdSet) -> Self {
        let last_id = sealed.seal.last_id;
        let mut next = self.shared();
        next.fresh.retain(|segment| segment.last_id() > last_id);
        next.generation = sealed.seal.generation;
        deleted.extend(self.deleted.iter().filter(|&id| id > last_id));
        next.sealed = Some(Arc::new(sealed));
        next.deleted = Arc::new(deleted);
        next
    }

    /// A view of its own with the same parts.
    pub(crate) fn shared(&self) -> Self {
        Self {
            dimension: self.dimension,
            metric: self.metric,
            sealed: self.sealed.clone(),
            fresh: self.fresh.clone(),
            deleted: Arc::clone(&self.deleted),
            sequence: self.sequence,
            last_id: self.last_id,
            generation: self.generation,
        }
    }

    /// What is not known to be deleted.
    pub(crate) fn alive(&self) -> Select<'_> {
        if self.deleted.is_empty() {
            Select::All
        } else {
            Select::Except(&self.deleted)
        }
    }

    /// The `k` nearest of each row-major query, closest first, at the distances that the index reports.
    pub(crate) fn search(
        &self,
        queries: &[f32],
        k: usize,
        params: &SearchParams,
        select: Select<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        let mut best = self.search_sealed(queries, k, params, select)?;
        self.join_fresh(&mut best, queries, k, params, select)?;
        Ok(best)
    }

    /// As [`View::search`], the sealed index alone.
    pub(crate) fn search_sealed(
        &self,
        queries: &[f32],
        k: usize,
        params: &SearchParams,
        select: Select<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        match &self.sealed {
            Some(sealed) => Ok(sealed.index.search(queries, k, params, select)?),
            None => Ok(vec![Vec::new(); queries.len() / self.dimension]),
        }
    }

    /// Merges what the fresh rows have into the `k` best of each query.
    pub(crate) fn join_fresh(
        &self,
        best: &mut [Vec<Hit>],
        queries: &[f32],
        k: usize,
        params: &SearchParams,
        select: Select<'_>,
    ) -> Result<()> {
        for segment in &self.fresh {
            let found = segment.read().search(queries, k, params, select)?;
            for (best, found) in best.iter_mut().zip(found) {
                merge(best, found, self.metric, k);
            }
        }
        Ok(())
    }

    /// The `k` nearest among `ids` (ascending), each of them compared. `None` when the sealed index keeps no whole vectors.
    pub(crate) fn scan(&self, query: &[f32], k: usize, ids: &[i64]) -> Result<Option<Vec<Hit>>> {
        let mut best = Vec::new();
        if let Some(sealed) = &self.sealed {
            let Some(hits) = sealed.index.scan(query, k, ids)? else {
                return Ok(None);
            };
            best = hits;
        }
        for segment in &self.fresh {
            let found = segment.read().scan(query, k, ids)?.unwrap_or_default();
            merge(&mut best, found, self.metric, k);
        }
        Ok(Some(best))
    }
}

/// Keeps the `k` closest of both lists, closest first; ties go to the older id. An id that is in both counts once, at the closer
/// distance: a segment may have gained what a search has read from the store, and a passage be near to several vectors.
pub(crate) fn merge(best: &mut Vec<Hit>, found: Vec<Hit>, metric: Metric, k: usize) {
    if found.is_empty() {
        return;
    }
    best.extend(found);
    let closer = |a: &Hit, b: &Hit| {
        metric
            .score(b.distance)
            .total_cmp(&metric.score(a.distance))
    };
    best.sort_unstable_by(|a, b| a.id.cmp(&b.id).then_with(|| closer(a, b)));
    best.dedup_by_key(|hit| hit.id);
    best.sort_unstable_by(|a, b| closer(a, b).then(a.id.cmp(&b.id)));
    best.truncate(k);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(hits: &[Hit]) -> Vec<i64> {
        hits.iter().map(|hit| hit.id).collect()
    }

    #[test]
    fn what_joins_is_found_and_what_leaves_is_not() {
        let view = View::empty(1, Metric::L2);
        let view = view
            .after_write(&[1, 2, 3], &[1.0, 2.0, 3.0], &[], 0, 1)
            .unwrap();
        let view = view.after_write(&[4], &[1.1], &[2], 0, 2).unwrap();
        assert_eq!(view.fresh.len(), 1);
        let found = view
            .search(&[1.0], 10, &SearchParams::default(), view.alive())
            .unwrap();
        assert_eq!(ids(&found[0]), [1, 4, 3]);
        assert_eq!(
            ids(&view.scan(&[1.0], 2, &[3, 4]).unwrap().unwrap()),
            [4, 3]
        );
        assert_eq!((view.sequence, view.last_id), (2, 4));
    }

    #[test]
    fn a_frozen_segment_takes_no_more_and_leaves_when_it_is_sealed() {
        let view = View::empty(1, Metric::L2)
            .after_write(&[1, 2], &[1.0, 2.0], &[], 0, 1)
            .unwrap();
        let view = view.after_write(&[3], &[3.0], &[], 2, 2).unwrap();
        assert_eq!(view.fresh.len(), 2);
        let mut index = Index::new(1, Metric::L2, &Kind::flat()).unwrap();
        index.add(&[1, 2], &[1.0, 2.0]).unwrap();
        let seal = Seal {
            generation: 1,
            file: "index-1".into(),
            kind: "Flat".into(),
            last_id: 2,
            sequence: 1,
            keeps_removed: false,
        };
        let view = view.after_write(&[4], &[4.0], &[3], 2, 3).unwrap();
        let view = view.after_seal(Sealed { index, seal }, IdSet::default());
        assert_eq!((view.sealed_len(), view.fresh_len()), (2, 2));
        let found = view
            .search(&[0.0], 3, &SearchParams::default(), view.alive())
            .unwrap();
        assert_eq!(
            ids(&found[0]),
            [1, 2, 4],
            "3 was deleted from a segment that stays"
        );
    }

    #[test]
    fn an_id_that_two_parts_hold_is_found_once() {
        let old = View::empty(1, Metric::L2)
            .after_write(&[1], &[1.0], &[], 0, 1)
            .unwrap();
        let private = old.after_write(&[2], &[2.0], &[], i64::MAX, 2).unwrap();
        let grown = old.after_write(&[2], &[2.0], &[], 0, 2).unwrap();
        assert_eq!((private.fresh.len(), grown.fresh.len()), (2, 1));
        let found = private
            .search(&[0.0], 3, &SearchParams::default(), private.alive())
            .unwrap();
        assert_eq!(ids(&found[0]), [1, 2]);
    }

    #[test]
    fn a_large_write_is_cut_into_segments() {
        let n = SEGMENT_VECTORS * 2 + 5;
        let ids: Vec<i64> = (1..=i64::try_from(n).unwrap()).collect();
        let view = View::empty(1, Metric::L2)
            .after_write(&ids, &vec![0.5; n], &[], 0, 1)
            .unwrap();
        assert_eq!((view.fresh.len(), view.fresh_len()), (3, n));
    }
}
