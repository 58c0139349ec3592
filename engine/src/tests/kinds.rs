//! Files of every kind that there is: what was saved comes back as it was, is called what it was called, and grows on.

use std::path::Path;

use super::fixtures::*;
use crate::{Error, Index, Kind, Metric, Stamp, with_threads};

pub(super) const DIMENSION: usize = 16;
pub(super) const ROWS: usize = 1_200;

/// One of each structure, codes, transform and second look, and what they are made of together.
#[rustfmt::skip]
pub(super) const KINDS: [&str; 33] = [
    "Flat", "SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16", "PQ4x4", "PQ4x4fs", "RaBitQ", "LSH", "LSH12", "LSH32r", "LSHt",
    "LSH24rt", "HNSW8", "HNSW8,SQ8", "HNSW8,PQ4x4", "NSG16", "NSG16,SQ8", "NSG16,PQ4x4", "IVF8,Flat", "IVF8,SQ8",
    "IVF8,PQ4x4", "IVF8,PQ4x4fs", "IVF8,PQ4x4fsr", "IVF8,RaBitQ", "IVF8_HNSW8,PQ4x4fs", "PCA8,IVF8,Flat",
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
        let (memory, file) = (index.memory_bytes(), bytes(&index).len());
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
