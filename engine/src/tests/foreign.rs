//! Plain FAISS files taken in: what was exported is the index that it was, under other ids. Files that Python made are in
//! the end-to-end tests.

use super::fixtures::*;
use super::kinds::{DIMENSION, ROWS, built, every};
use crate::{Error, Foreign, Kind, Metric, SearchParams, Select, Stamp};

#[test]
fn what_is_exported_comes_back_under_ids_of_the_collection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    let points = clustered(60, ROWS, DIMENSION, 8);
    let queries = clustered(61, 6, DIMENSION, 8);
    // Neither in order nor within 32 bits.
    let theirs: Vec<i64> = ids(ROWS).iter().rev().map(|id| id << 33).collect();
    let params = SearchParams::default();
    for (kind, metric) in every() {
        let index = built(&kind, metric, &points);
        index.export_with_ids(&path, &theirs).unwrap();
        let foreign = Foreign::read(&path).unwrap();
        assert_eq!(foreign.ids(), theirs, "{kind}, {metric}");
        assert_eq!(foreign.metric(), kind.native_metric(metric), "{kind}");
        assert!(foreign.kind().is_same(&kind, DIMENSION), "{kind}");
        let kept = foreign.vectors(3..5, metric);
        match index.reconstruct(&[19, 22]) {
            Ok(right) => {
                let right: Vec<f32> = right.into_iter().flatten().flatten().collect();
                assert_eq!(kept.unwrap(), right, "{kind}, {metric}");
            }
            Err(_) => assert!(matches!(kept, Err(Error::BadForeign { .. })), "{kind}"),
        }
        let again = foreign.into_index(metric, &ids(ROWS)).unwrap();
        assert_eq!((again.metric(), again.ids()), (metric, index.ids()));
        let found = again.search(&queries, 10, &params, Select::All).unwrap();
        let right = index.search(&queries, 10, &params, Select::All).unwrap();
        assert_eq!(found, right, "{kind}, {metric}");
        again.save(&path, &Stamp::default()).unwrap();
        assert!(
            crate::Index::load(&path, &Stamp::default()).is_ok(),
            "{kind}"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    let points = clustered(62, 100, DIMENSION, 8);
    let flat = built(&Kind::flat(), Metric::L2, &points);
    flat.export(&path).unwrap();
    let read = || Foreign::read(&path).unwrap();
    for metric in [Metric::Cosine, Metric::InnerProduct, Metric::L1] {
        let refused = read().check_metric(metric).unwrap_err().to_string();
        assert!(
            refused.contains(&metric.to_string()) && refused.contains("l2"),
            "{refused}"
        );
        assert!(read().into_index(metric, &ids(100)).is_err());
    }
    let few = read().into_index(Metric::L2, &ids(99));
    assert!(matches!(
        few,
        Err(Error::IdCount {
            ids: 99,
            vectors: 100
        })
    ));
    let twice = [vec![10], ids(99)].concat();
    assert!(matches!(
        read().into_index(Metric::L2, &twice),
        Err(Error::IdOrder { .. })
    ));
    let below: Vec<i64> = (-1..99).collect();
    assert!(matches!(
        read().into_index(Metric::L2, &below),
        Err(Error::IdRange { id: -1, .. })
    ));
    let products = built(&Kind::flat(), Metric::InnerProduct, &points);
    products.export(&path).unwrap();
    let long = read()
        .vectors(0..1, Metric::Cosine)
        .unwrap_err()
        .to_string();
    assert!(
        long.contains("id 10") && long.contains("length 1"),
        "{long}"
    );
}

#[test]
fn what_is_no_index_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    let unset = crate::Index::new(DIMENSION, Metric::L2, &Kind::ivf(8)).unwrap();
    unset.export(&path).unwrap();
    let untrained = Foreign::read(&path).unwrap_err().to_string();
    assert!(untrained.contains("not trained"), "{untrained}");
    for bytes in [
        &b""[..],
        b"IxMp",
        b"no index at all, and longer than the first four letters",
    ] {
        std::fs::write(&path, bytes).unwrap();
        let refused = Foreign::read(&path).unwrap_err();
        assert!(matches!(refused, Error::BadForeign { .. }), "{refused}");
        assert!(!refused.to_string().contains(".cpp"), "{refused}");
    }
    let absent = Foreign::read(&folder.path().join("absent"));
    assert!(matches!(absent, Err(Error::Io { .. })));
}

/// Where the links of a graph of so many rows begin in its FAISS file: where each row's begin, how many there are in all,
/// and that number again, before the links (`write_HNSW` in FAISS's index_write.cpp).
fn links(bytes: &[u8], rows: usize) -> usize {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let least = u64::try_from(rows * 8).unwrap();
    let begin = (8 * rows..bytes.len() - 16)
        .find(|&at| number(at) == number(at + 8) && (least..2 * least).contains(&number(at)));
    begin.unwrap() + 16
}

#[test]
fn a_graph_with_free_places_among_its_links_can_grow() {
    const FREE: [u8; 4] = (-1_i32).to_le_bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    let points = clustered(63, 2 * ROWS, DIMENSION, 8);
    let (some, more) = points.split_at(ROWS * DIMENSION);
    let mut index = crate::Index::new(DIMENSION, Metric::L2, &Kind::hnsw(4)).unwrap();
    index.add(&ids(ROWS), some).unwrap();
    index.export(&path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let first = links(&bytes, ROWS);
    let mut holes = 0;
    for row in 0..ROWS {
        let at = first - 16 - 8 * (ROWS - row);
        let begin = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let list = first + 4 * usize::try_from(begin).unwrap();
        if bytes[list + 28..list + 32] != FREE {
            bytes[list..list + 4].copy_from_slice(&FREE);
            holes += 1;
        }
    }
    assert!(holes > 10, "{holes}");
    std::fs::write(&path, bytes).unwrap();
    let all = ids(2 * ROWS);
    let foreign = Foreign::read(&path).unwrap();
    let mut index = foreign.into_index(Metric::L2, &all[..ROWS]).unwrap();
    index.add(&all[ROWS..], more).unwrap();
    index.reach(0, &crate::unwatched).unwrap();
    let params = SearchParams {
        ef_search: Some(100),
        ..SearchParams::default()
    };
    let found = index.search(&points, 1, &params, Select::All).unwrap();
    let themselves = found
        .iter()
        .zip(&all)
        .filter(|(hits, id)| hits[0].id == **id);
    assert!(themselves.count() > all.len() * 9 / 10);
}
