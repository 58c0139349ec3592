//! The numbers that FAISS 1.12 gave in Python (`golden.py` writes `golden.json`), through every way a parameter takes.

use serde::Deserialize;

use super::fixtures::{Random, ids};
use crate::{Index, Kind, Metric, SearchParams, Select, with_threads};

const DIMENSION: usize = 8;
const ROWS: usize = 4000;

#[derive(Deserialize)]
struct Golden {
    searches: Vec<Search>,
}

#[derive(Deserialize)]
struct Search {
    name: String,
    ids: Vec<Vec<i64>>,
    distances: Vec<Vec<f32>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

/// Integers from -500 to 500.
fn points(seed: u64, rows: usize) -> Vec<f32> {
    let mut random = Random(seed);
    (0..rows * DIMENSION)
        .map(|_| i16::try_from(random.below(1001)).unwrap() - 500)
        .map(f32::from)
        .collect()
}

fn close(one: f32, two: f32) -> bool {
    (one - two).abs() <= 1e-5 * two.abs().max(1e-2)
}

#[test]
fn searches_answer_what_faiss_answers_in_python() {
    let hnsw = Kind::hnsw(4);
    let ivf = Kind::ivf(32);
    let none = SearchParams::default();
    let ef = |ef| SearchParams {
        ef_search: Some(ef),
        ..none
    };
    let probe = |nprobe| SearchParams {
        nprobe: Some(nprobe),
        ..none
    };
    let cases = [
        ("flat l2", Metric::L2, Kind::flat(), none),
        (
            "flat inner_product",
            Metric::InnerProduct,
            Kind::flat(),
            none,
        ),
        ("flat cosine", Metric::Cosine, Kind::flat(), none),
        ("hnsw ef 6", Metric::L2, hnsw.clone(), ef(6)),
        ("hnsw ef 40", Metric::L2, hnsw.clone(), ef(40)),
        ("ivf nprobe 1", Metric::L2, ivf.clone(), probe(1)),
        ("ivf nprobe 4", Metric::L2, ivf.clone(), probe(4)),
    ];
    let (data, queries) = (points(1, ROWS), points(2, 10));
    let golden = golden().searches;
    assert_eq!(golden.len(), cases.len());
    for ((name, metric, kind, params), expected) in cases.into_iter().zip(golden) {
        assert_eq!(name, expected.name);
        let mut index = Index::new(DIMENSION, metric, &kind).unwrap();
        index.train(&data).unwrap();
        with_threads(1, || index.add(&ids(ROWS), &data)).unwrap();
        let found = index.search(&queries, 5, &params, Select::All).unwrap();
        for (hits, (ids, distances)) in found
            .iter()
            .zip(expected.ids.iter().zip(&expected.distances))
        {
            assert_eq!(
                &hits.iter().map(|hit| hit.id).collect::<Vec<_>>(),
                ids,
                "{name}"
            );
            assert!(
                hits.iter()
                    .zip(distances)
                    .all(|(hit, distance)| close(hit.distance, *distance)),
                "{name}: {hits:?}"
            );
        }
    }
}
