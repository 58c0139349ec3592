//! Files of every kind that there is: what was saved comes back as it was, is called what it was called, and grows on.

use std::path::Path;

use super::fixtures::*;
use crate::progress::Stage;
use crate::{Error, IdSet, Index, Kind, Metric, SearchParams, Select, Stamp, with_threads};

pub(super) const DIMENSION: usize = 16;
pub(super) const ROWS: usize = 1_200;

/// One of each structure, codes, transform and second look, and what they are made of together.
#[rustfmt::skip]
pub(super) const KINDS: [&str; 34] = [
    "Flat", "SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16", "PQ4x4", "PQ4x4fs", "RaBitQ", "LSH", "LSH12", "LSH32r", "LSHt",
    "LSH24rt", "HNSW8", "HNSW8,SQ8", "HNSW8,PQ4x4", "NSG16", "NSG16,SQ8", "NSG16,PQ4x4", "IVF8,Flat", "IVF8,SQ8",
    "IVF8,PQ4x4", "IVF8,PQ4x4fs", "IVF8,PQ4x4fsr", "IVF8,RaBitQ", "IVF8_HNSW8,Flat", "IVF8_HNSW8,PQ4x4fs", "PCA8,IVF8,Flat",
    "PCAWR8,L2norm,HNSW8", "RR,IVF8,RaBitQ,RFlat", "ITQ8,LSH", "Pad24,L2norm,SQ8", "IVF8,PQ4x4fs,Refine(SQ8)",
];

/// Every kind with every metric that it knows, of those that differ in what FAISS keeps.
pub(super) fn every() -> impl Iterator<Item = (Kind, Metric)> {
    let metrics = [
        Metric::L2,
        Metric::Cosine,
        Metric::InnerProduct,
        Metric::L1,
        Metric::lp(3.0).unwrap(),
    ];
    let kinds = KINDS.into_iter().map(|kind| kind.parse().unwrap());
    let built_in = kinds.filter(Kind::is_built_in);
    built_in.flat_map(move |kind: Kind| {
        let known = metrics.into_iter().filter(|metric| kind.supports(*metric));
        known
            .map(|metric| (kind.clone(), metric))
            .collect::<Vec<_>>()
    })
}

/// On one thread, so that it is the same every time.
pub(super) fn built(kind: &Kind, metric: Metric, points: &[f32]) -> Index {
    with_threads(1, || build(metric, kind, DIMENSION, points))
}

fn bytes(index: &Index) -> Vec<u8> {
    let mut bytes = Vec::new();
    index.raw().write(&mut bytes).unwrap().unwrap();
    bytes
}

fn saved_and_loaded(index: &Index, path: &Path) -> Result<Index, Error> {
    index.save(path, &Stamp::default())?;
    Index::load(path, &Stamp::default())
}

#[test]
fn every_kind_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let points = clustered(41, ROWS, DIMENSION, 8);
    for (kind, metric) in every() {
        let index = built(&kind, metric, &points);
        let loaded = saved_and_loaded(&index, &path).unwrap();
        assert!(bytes(&loaded) == bytes(&index), "{kind}, {metric}");
        let trained_on = if kind.trains() { ROWS } else { 0 };
        assert_eq!(
            (loaded.kind(), loaded.metric(), loaded.trained_on()),
            (&kind, metric, trained_on)
        );
        let copy = index.try_clone().unwrap();
        assert!(bytes(&copy) == bytes(&index), "a copy of {kind}, {metric}");
    }
}

/// What FAISS writes is what it keeps: no kind takes less memory than its file, but for NSG, whose graph has one length
/// in memory and another in the file, and none takes much more.
#[test]
fn memory_is_counted_for_every_kind() {
    let points = clustered(42, ROWS, DIMENSION, 8);
    for (kind, metric) in every().filter(|(_, metric)| *metric == Metric::L2) {
        let index = built(&kind, metric, &points);
        let mut plain = Vec::new();
        let written = index.raw().write_as(index.ids(), &mut plain);
        written.unwrap().unwrap();
        let (memory, file) = (index.memory_bytes(), plain.len());
        assert!(memory + 600 > file, "{kind}: {memory}, in the file {file}");
        let beyond = memory.saturating_sub(file);
        let graph = if kind.can_grow() { 0 } else { ROWS * 16 * 4 };
        assert!(
            beyond < 8_192 + graph,
            "{kind}: {memory}, in the file {file}"
        );
    }
}

#[cfg(feature = "faiss")] // no kind learns without it
#[test]
fn an_index_that_is_not_trained_comes_back_as_its_kind_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let points = clustered(43, ROWS, DIMENSION, 8);
    for (kind, metric) in every().filter(|(kind, _)| kind.trains()) {
        let index = Index::new(DIMENSION, metric, &kind).unwrap();
        let loaded = saved_and_loaded(&index, &path).unwrap();
        assert!(!loaded.is_trained() && loaded.is_empty() && loaded.trained_on() == 0);
        let grown = |mut index: Index| {
            with_threads(1, || {
                index.train(&points).unwrap();
                index.add(&ids(ROWS), &points).unwrap();
            });
            bytes(&index)
        };
        let fresh = Index::new(DIMENSION, metric, &kind).unwrap();
        assert!(grown(loaded) == grown(fresh), "{kind}, {metric}");
    }
}

#[test]
fn a_mapped_index_answers_as_the_one_that_it_was_and_takes_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let points = clustered(44, ROWS, DIMENSION, 8);
    let query = &clustered(45, 4, DIMENSION, 8);
    let params = SearchParams::default();
    for (kind, metric) in every() {
        let index = built(&kind, metric, &points);
        index.save(&path, &Stamp::default()).unwrap();
        let mut mapped = Index::load_mapped(&path, &Stamp::default()).unwrap();
        let expected = index.search(query, 10, &params, Select::All).unwrap();
        let found = mapped.search(query, 10, &params, Select::All).unwrap();
        assert_eq!(found, expected, "{kind}, {metric}");
        let refused = [
            mapped.add(&[1_000_000], &points[..DIMENSION]),
            mapped.train(&points),
            mapped.remove(&IdSet::from_iter([10])).map(drop),
        ];
        let read_only = |outcome: &Result<(), Error>| matches!(outcome, Err(Error::ReadOnly));
        assert!(refused.iter().all(read_only), "{kind}: {refused:?}");

        let mut copy = mapped.try_clone().unwrap();
        assert!(bytes(&copy) == bytes(&index), "a copy of {kind}, {metric}");
        drop(mapped);
        if kind.can_grow() {
            copy.add(&[1_000_000], &points[..DIMENSION]).unwrap();
        }
        assert_eq!(
            copy.search(query, 10, &params, Select::All).unwrap().len(),
            4
        );
    }
}

#[test]
fn what_is_mapped_is_verified_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let points = clustered(46, ROWS, DIMENSION, 8);
    let index = built(&"IVF8,Flat".parse().unwrap(), Metric::L2, &points);
    index.save(&path, &Stamp::default()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for place in (0..whole.len()).step_by(997) {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        let outcome = Index::load_mapped(&path, &Stamp::default());
        assert!(
            matches!(outcome, Err(Error::CorruptIndex { .. })),
            "{place}: {outcome:?}"
        );
    }
}

/// The same bytes; behind transforms, whose products round differently in another batch, the same answers within that.
fn assert_alike(index: &Index, other: &Index) {
    let name = format!("{}, {}", index.kind(), index.metric());
    if index.kind().transforms.is_empty() {
        return assert!(bytes(index) == bytes(other), "{name}");
    }
    assert_eq!(index.ids(), other.ids(), "{name}");
    let queries = clustered(51, 8, DIMENSION, 8);
    let params = SearchParams::default();
    let found = index.search(&queries, 10, &params, Select::All).unwrap();
    let expected = other.search(&queries, 10, &params, Select::All).unwrap();
    for (hit, other) in found.iter().flatten().zip(expected.iter().flatten()) {
        let off = (hit.distance - other.distance).abs();
        assert!(off < 1e-3, "{name}: {hit:?} where {other:?} was expected");
    }
}

/// Every third id goes, then some come; the other index never had those. Both were trained on the same vectors.
#[test]
fn an_index_without_removed_ids_is_as_one_that_never_had_them() {
    let points = clustered(47, ROWS, DIMENSION, 8);
    let more = clustered(48, 50, DIMENSION, 8);
    let later: Vec<i64> = (0..50).map(|id| 1_000_000 + id).collect();
    let gone: IdSet = ids(ROWS).into_iter().step_by(3).collect();
    for (kind, metric) in every() {
        let mut index = built(&kind, metric, &points);
        if !kind.can_remove() {
            let refused = index.remove(&gone);
            assert!(matches!(refused, Err(Error::Unsupported { .. })), "{kind}");
            continue;
        }
        assert_eq!(index.remove(&gone).unwrap(), ROWS.div_ceil(3));
        assert_eq!(index.remove(&gone).unwrap(), 0);
        let kept = ids(ROWS).into_iter().zip(points.chunks(DIMENSION));
        let (kept_ids, kept_points): (Vec<i64>, Vec<&[f32]>) =
            kept.filter(|(id, _)| !gone.contains(*id)).unzip();
        let mut other = Index::new(DIMENSION, metric, &kind).unwrap();
        with_threads(1, || {
            other.train(&points).unwrap();
            other.add(&kept_ids, &kept_points.concat()).unwrap();
            assert_alike(&index, &other);
            for index in [&mut index, &mut other] {
                index.add(&later, &more).unwrap();
            }
        });
        assert_alike(&index, &other);
    }
}

#[test]
fn training_tells_of_its_steps_and_stops_where_it_is_told_to() {
    use std::ops::ControlFlow;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let points = clustered(49, ROWS, DIMENSION, 8);
    for kind in KINDS.map(|kind| kind.parse::<Kind>().unwrap()) {
        let mut index = Index::new(DIMENSION, Metric::L2, &kind).unwrap();
        let last = AtomicUsize::new(usize::MAX);
        let told = AtomicUsize::new(0);
        let watch = |progress: crate::Progress| {
            assert_eq!(progress.stage, Stage::Training);
            assert!(progress.done <= progress.total);
            last.store(progress.total - progress.done, Ordering::Relaxed);
            told.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        index.train_with(&points, &watch).unwrap();
        let left = if kind.trains() { 0 } else { usize::MAX };
        assert_eq!(last.load(Ordering::Relaxed), left, "{kind}");

        for stop in 0..told.load(Ordering::Relaxed) {
            let mut index = Index::new(DIMENSION, Metric::L2, &kind).unwrap();
            let calls = AtomicUsize::new(0);
            let watch = |_| match calls.fetch_add(1, Ordering::Relaxed) == stop {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            let outcome = index.train_with(&points, &watch);
            assert!(
                matches!(outcome, Err(Error::Cancelled)),
                "{kind}: {outcome:?}"
            );
            assert!(!index.is_trained() && index.trained_on() == 0, "{kind}");
        }
    }
}

/// FAISS's own reader takes it, and finds the ids that were given.
/// The index of a plain FAISS file.
fn plain(path: &Path) -> crate::backend::faiss::OwnedIndex {
    let bytes = std::fs::read(path).unwrap();
    crate::backend::faiss::RawIndex::read_foreign(&mut &bytes[..]).unwrap()
}

#[test]
fn what_is_exported_is_faiss_own_file_under_the_ids_that_were_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    let points = clustered(50, ROWS, DIMENSION, 8);
    let others: Vec<i64> = ids(ROWS).iter().rev().map(|id| id * 7).collect();
    for (kind, metric) in every() {
        let index = built(&kind, metric, &points);
        index.export_with_ids(&path, &others).unwrap();
        let read = plain(&path);
        assert_eq!(read.ids(), others, "{kind}, {metric}");
        assert!(read.kind().unwrap().is_same(&kind, DIMENSION), "{kind}");
        index.export(&path).unwrap();
        let mut again = Vec::new();
        plain(&path).write(&mut again).unwrap().unwrap();
        assert!(again == bytes(&index), "{kind}");
        let few = index.export_with_ids(&path, &others[1..]);
        assert!(matches!(few, Err(Error::IdCount { .. })));
    }
    let graph = built(&Kind::hnsw_rs(8, 50), Metric::L2, &points);
    assert!(matches!(
        graph.export(&path),
        Err(Error::Unsupported { .. })
    ));
}

#[test]
fn no_kind_takes_more_vectors_than_its_links_can_be_counted_with() {
    let links = |kind: &Kind, each: usize| kind.max_vectors().checked_mul(each).unwrap();
    let countable = usize::try_from(i32::MAX).unwrap();
    assert!(Kind::flat().max_vectors() == countable && Kind::hnsw(32).max_vectors() == countable);
    for r in [16, 64, 100] {
        let kind = Kind::nsg(r);
        assert!(links(&kind, r.max(64)) <= countable && kind.max_vectors() > 20_000_000);
    }
}
