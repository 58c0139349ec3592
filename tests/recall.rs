//! Asking for recall: what was measured at a seal is what strangers find, in the plan, in the statistics and after reopening;
//! compressed indexes answer with true distances.

mod cloud;
mod learning;

use vinedb::{
    Collection, CollectionConfig, Database, Document, Filter, IndexSpec, Metric, Query,
    SearchParams, answer::Strategy,
};

use crate::sample::{distance, writer};
use cloud::Cloud;

const NAME: &str = "c";
const DIMENSION: usize = 24;

fn config(index: &str, metric: Metric) -> CollectionConfig {
    CollectionConfig::given(DIMENSION)
        .metric(metric)
        .index(IndexSpec::parse(index).unwrap())
}

fn upsert(collection: &Collection, from: usize, points: &[Vec<f32>]) {
    let documents = points.iter().enumerate().map(|(row, point)| {
        Document::from_vector(i64::try_from(from + row).unwrap(), point.clone())
            .metadata(serde_json::json!({"row": from + row}))
    });
    collection.upsert(documents.collect()).unwrap();
}

/// A sealed collection of these points.
fn sealed(db: &Database, index: &str, metric: Metric, points: &[Vec<f32>]) -> Collection {
    let collection = db.create_collection(NAME, config(index, metric)).unwrap();
    upsert(&collection, 0, points);
    collection.compact().unwrap();
    assert_eq!(
        collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .index
            .as_deref(),
        Some(index)
    );
    collection
}

/// The rows nearest to the query, by brute force.
fn truth(
    metric: Metric,
    points: &[Vec<f32>],
    query: &[f32],
    passes: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let sign = if metric.is_similarity() { -1.0 } else { 1.0 };
    let mut rows: Vec<(f64, usize)> = (0..points.len())
        .filter(|row| passes(*row))
        .map(|row| (sign * distance(metric, query, &points[row]), row))
        .collect();
    rows.sort_by(|one, two| one.0.total_cmp(&two.0));
    rows.truncate(10);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The share of the true nearest 10 that queries find, and its standard error.
fn recall(
    collection: &Collection,
    base: &Query,
    points: &[Vec<f32>],
    queries: &[Vec<f32>],
) -> (f64, f64) {
    let metric = collection.config().metric;
    let shares: Vec<f64> = queries
        .iter()
        .map(|query| {
            let asked = Query {
                vector: Some(query.clone()),
                ..base.clone()
            };
            let found = collection.search(&asked).unwrap();
            let rows: Vec<u64> = found
                .matches
                .iter()
                .map(|found| found.document.metadata["row"].as_u64().unwrap())
                .collect();
            let passes = |row: usize| base.filter.is_none() || row.is_multiple_of(2);
            let true_ones = truth(metric, points, query, passes);
            true_ones
                .iter()
                .filter(|row| rows.contains(&(**row as u64)))
                .count() as f64
                / 10.0
        })
        .collect();
    let n = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / n;
    let variance = shares
        .iter()
        .map(|share| (share - mean).powi(2))
        .sum::<f64>()
        / (n - 1.0);
    (mean, (variance / n).sqrt())
}

fn with(recall: f32) -> SearchParams {
    SearchParams {
        recall: Some(recall),
        ..SearchParams::DEFAULT
    }
}

#[test]
fn a_query_finds_the_recall_that_it_asks_for() {
    let points = Cloud::new(1).points(9_000);
    let queries = Cloud::new(2).points(100);
    for index in ["HNSW6", "IVF64,Flat", "IVF64,PQ6x4", "SQ4"] {
        let dir = tempfile::tempdir().unwrap();
        let db = writer(dir.path());
        let collection = sealed(&db, index, Metric::L2, &points);
        let stats = collection.stats().unwrap();
        let curve = stats
            .local
            .as_ref()
            .expect("the index is in this process")
            .curve
            .as_ref()
            .unwrap();
        assert!(
            curve.k == 10 && curve.queries >= 50 && !curve.rungs.is_empty(),
            "{index}"
        );
        assert!(
            stats.explanation.starts_with(index) && stats.explanation.contains("9,000 vectors"),
            "{}",
            stats.explanation
        );
        for asked in [None, Some(0.8), Some(0.95), Some(0.98)] {
            let params = asked.map_or(SearchParams::DEFAULT, with);
            let base = Query::default().params(params);
            let plan = collection
                .search(&Query {
                    vector: Some(queries[0].clone()),
                    ..base.clone()
                })
                .unwrap()
                .plan;
            if plan.strategy == Strategy::Exact {
                continue;
            }
            let claimed = f64::from(plan.recall.unwrap());
            let (found, error) = recall(&collection, &base, &points, &queries);
            let rung = curve
                .rungs
                .iter()
                .find(|rung| Some(rung.recall) == plan.recall)
                .unwrap();
            let off = 4.0 * (error.powi(2) + f64::from(rung.error).powi(2)).sqrt() + 0.003;
            // Whoever asks relies on getting no less; a little more does no harm.
            assert!(
                (claimed - off..claimed + off + 0.03).contains(&found),
                "{index} {asked:?}: {found} ± {error}, but {plan:?}"
            );
            let target = asked.unwrap_or(0.95);
            assert_eq!(
                plan.short_of.is_some(),
                rung.recall < target,
                "{index}: {plan:?}"
            );
        }
    }
}

#[test]
fn a_filter_costs_no_recall() {
    let points = Cloud::new(3).points(9_000);
    let queries = Cloud::new(4).points(100);
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let collection = db
        .create_collection(NAME, config("HNSW6", Metric::L2))
        .unwrap();
    let document = |(row, point): (usize, &Vec<f32>)| {
        let metadata = serde_json::json!({"row": row, "even": row % 2 == 0});
        Document::from_vector(i64::try_from(row).unwrap(), point.clone()).metadata(metadata)
    };
    collection
        .upsert(points.iter().enumerate().map(document).collect())
        .unwrap();
    collection.compact().unwrap();
    let base = Query::default().filter(Filter::eq("even", true));
    let (found, error) = recall(&collection, &base, &points, &queries);
    assert!(found >= 0.95 - 4.0 * error, "{found} ± {error}");
}

#[test]
fn what_cannot_be_reached_is_said_and_the_best_is_taken() {
    let points = Cloud::new(5).points(6_000);
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let collection = sealed(&db, "PQ2x2", Metric::L2, &points);
    let curve = collection
        .stats()
        .unwrap()
        .local
        .expect("the index is in this process")
        .curve
        .unwrap();
    let best = curve.rungs.last().unwrap();
    assert!(
        best.recall < 0.95,
        "sixteen codes for 6,000 points cannot tell them apart: {best:?}"
    );
    let answer = collection
        .search(&Query::vector(points[0].clone()))
        .unwrap();
    assert_eq!(
        (answer.plan.recall, answer.plan.short_of),
        (Some(best.recall), Some(0.95))
    );
    assert_eq!(
        answer
            .plan
            .local
            .as_ref()
            .expect("the index is in this process")
            .rescore,
        best.rescore,
        "ten matches, as many as were measured with"
    );
    assert!(
        collection
            .stats()
            .unwrap()
            .explanation
            .contains("the best there is")
    );
    let modest = collection
        .search(&Query::vector(points[0].clone()).params(with(best.recall / 2.0)))
        .unwrap();
    assert_eq!(modest.plan.short_of, None);
}

#[test]
fn compressed_indexes_answer_with_true_distances_beside_fresh_rows() {
    let points = Cloud::new(6).points(3_000);
    let (old, new) = points.split_at(2_500);
    for (index, metric) in [
        ("HNSW8,SQ8", Metric::Cosine),
        ("IVF16,PQ4x4", Metric::L2),
        ("SQ4", Metric::InnerProduct),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let db = writer(dir.path());
        let collection = sealed(&db, index, metric, old);
        upsert(&collection, old.len(), new);
        let stats = collection.stats().unwrap();
        assert_eq!(
            (
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .sealed,
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .fresh
            ),
            (old.len(), new.len()),
            "{index}"
        );
        let off = |params: SearchParams, batch: bool| {
            let queries: Vec<Query> = Cloud::new(8)
                .points(20)
                .into_iter()
                .map(|point| Query::vector(point).params(params))
                .collect();
            let answers = match batch {
                true => collection.search_batch(&queries).unwrap(),
                false => queries
                    .iter()
                    .map(|query| collection.search(query).unwrap())
                    .collect(),
            };
            let pairs = queries
                .iter()
                .zip(&answers)
                .flat_map(|(query, answer)| answer.matches.iter().map(move |found| (query, found)));
            let off = pairs.map(|(query, found)| {
                let row =
                    usize::try_from(found.document.metadata["row"].as_u64().unwrap()).unwrap();
                let true_one = distance(metric, query.vector.as_ref().unwrap(), &points[row]);
                (true_one - f64::from(found.distance)).abs()
            });
            off.fold(0.0, f64::max)
        };
        for batch in [false, true] {
            assert!(off(SearchParams::DEFAULT, batch) < 1e-4, "{index}");
            let codes = SearchParams {
                rescore: Some(1),
                ..SearchParams::DEFAULT
            };
            assert!(
                off(codes, batch) > 1e-4,
                "{index}: these are the codes' own"
            );
        }
    }
}

#[test]
fn the_curve_outlives_the_process_and_is_measured_anew_at_each_seal() {
    let points = Cloud::new(9).points(4_000);
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let collection = sealed(&db, "IVF16,Flat", Metric::L2, &points[..3_000]);
    let curve = collection
        .stats()
        .unwrap()
        .local
        .expect("the index is in this process")
        .curve;
    assert!(curve.is_some());
    drop((collection, db));
    let db = writer(dir.path());
    let collection = db.collection(NAME).unwrap();
    assert_eq!(
        collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .curve,
        curve
    );
    upsert(&collection, 3_000, &points[3_000..]);
    collection.compact().unwrap();
    let stats = collection.stats().unwrap();
    assert!(
        stats
            .local
            .as_ref()
            .expect("the index is in this process")
            .curve
            .is_some()
            && stats
                .local
                .as_ref()
                .expect("the index is in this process")
                .curve
                != curve
    );
    let json = serde_json::to_value(&stats).unwrap();
    let rung = &json["local"]["curve"]["rungs"][0];
    assert!(
        rung["recall"].as_f64().unwrap() > 0.0 && rung["nprobe"].as_u64() == Some(1),
        "{json}"
    );
}

#[test]
fn an_exact_collection_says_so_with_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let collection = db
        .create_collection(NAME, config("auto", Metric::L2))
        .unwrap();
    upsert(&collection, 0, &Cloud::new(10).points(1_200));
    for round in ["fresh", "sealed"] {
        let explanation = collection.stats().unwrap().explanation;
        let time = explanation
            .strip_prefix("exact: 1,200 vectors, ")
            .and_then(|rest| rest.strip_suffix(" ms"));
        assert!(
            time.is_some_and(|time| time.parse::<f64>().is_ok()),
            "{round}: {explanation}"
        );
        collection.compact().unwrap();
    }
}

#[test]
fn recall_goes_with_nothing_that_it_chooses() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let collection = db
        .create_collection(NAME, config("HNSW8", Metric::L2))
        .unwrap();
    upsert(&collection, 0, &Cloud::new(11).points(20));
    let refused = |params| {
        let query = Query::vector(vec![0.0; DIMENSION]).params(params);
        collection.search(&query).unwrap_err().to_string()
    };
    let both = SearchParams {
        ef_search: Some(9),
        ..with(0.9)
    };
    assert!(refused(both).contains("ef_search"));
    for recall in [0.0, -1.0, 1.5, f32::NAN] {
        assert!(refused(with(recall)).contains("recall"), "{recall}");
    }
}
