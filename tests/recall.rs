//! Asking for recall: what was measured at a seal is what strangers find, in the plan, in the statistics and after reopening;
//! compressed indexes answer with true distances; kinds that learn do so by themselves, or when they are told to.

use std::{ops::ControlFlow, sync::Mutex};

use vinedb::{
    Collection, CollectionConfig, Database, Document, Error, Filter, IndexSpec, Metric, Options,
    Progress, Query, SearchParams, Stage, Strategy,
};

use crate::sample::{Rng, distance, eventually, writer};

const NAME: &str = "c";
const DIMENSION: usize = 24;
const CENTERS: usize = 40;

/// Points around centers that every call has in common, spread along a few directions.
struct Cloud {
    rng: Rng,
    centers: Vec<Vec<f32>>,
    directions: Vec<Vec<f32>>,
}

impl Cloud {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(7);
        let mut some = |count, scale: f32| {
            let vectors = 0..count;
            vectors
                .map(|_| (0..DIMENSION).map(|_| normal(&mut rng) * scale).collect())
                .collect()
        };
        Self {
            centers: some(CENTERS, 1.0),
            directions: some(6, 0.5),
            rng: Rng(seed),
        }
    }

    fn point(&mut self) -> Vec<f32> {
        let mut point = self.centers[self.rng.place(CENTERS)].clone();
        for direction in &self.directions {
            let along = normal(&mut self.rng);
            point
                .iter_mut()
                .zip(direction)
                .for_each(|(x, d)| *x += along * d);
        }
        for x in &mut point {
            *x += normal(&mut self.rng) * 0.1;
        }
        point
    }

    fn points(&mut self, count: usize) -> Vec<Vec<f32>> {
        (0..count).map(|_| self.point()).collect()
    }
}

/// About normal.
fn normal(rng: &mut Rng) -> f32 {
    let uniform =
        |rng: &mut Rng| f32::from(u16::try_from(rng.below(1 << 16)).unwrap()) / 32_768.0 - 1.0;
    (0..4).map(|_| uniform(rng)).sum::<f32>() * 0.87
}

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
    assert_eq!(collection.stats().unwrap().index.as_deref(), Some(index));
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
        let curve = stats.curve.as_ref().unwrap();
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
    let curve = collection.stats().unwrap().curve.unwrap();
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
        answer.plan.rescore, best.rescore,
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
            (stats.sealed, stats.fresh),
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
    let curve = collection.stats().unwrap().curve;
    assert!(curve.is_some());
    drop((collection, db));
    let db = writer(dir.path());
    let collection = db.collection(NAME).unwrap();
    assert_eq!(collection.stats().unwrap().curve, curve);
    upsert(&collection, 3_000, &points[3_000..]);
    collection.compact().unwrap();
    let stats = collection.stats().unwrap();
    assert!(stats.curve.is_some() && stats.curve != curve);
    let json = serde_json::to_value(&stats).unwrap();
    let rung = &json["curve"]["rungs"][0];
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

#[test]
fn kinds_that_learn_work_from_the_first_document_and_learn_by_themselves() {
    let points = Cloud::new(12).points(6_000);
    for index in ["IVF64,Flat", "IVF32,PQ6x4"] {
        let dir = tempfile::tempdir().unwrap();
        let db = writer(dir.path());
        let collection = db
            .create_collection(NAME, config(index, Metric::L2))
            .unwrap();
        for (chunk, points) in points.chunks(500).enumerate() {
            upsert(&collection, chunk * 500, points);
            let found = collection
                .search(&Query::vector(points[3].clone()).top_k(1))
                .unwrap();
            assert_eq!(
                found.matches[0].document.metadata["row"],
                chunk * 500 + 3,
                "{index}"
            );
            if chunk == 0 {
                assert_eq!(found.plan.strategy, Strategy::Exact);
            }
        }
        eventually("it has learned", || {
            collection.stats().unwrap().index.as_deref() == Some(index)
        });
    }
}

#[test]
fn training_on_too_little_is_refused_with_the_minimum() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let collection = db
        .create_collection(NAME, config("IVF64,Flat", Metric::L2))
        .unwrap();
    upsert(&collection, 0, &Cloud::new(13).points(500));
    let error = collection.train().unwrap_err().to_string();
    assert!(error.contains("2496") && error.contains("500"), "{error}");
    assert_eq!(collection.stats().unwrap().generation, 0);
}

#[test]
fn training_tells_its_stages_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let points = Cloud::new(14).points(3_000);
    let collection = sealed(&db, "IVF32,Flat", Metric::L2, &points);
    let told = Mutex::new(Vec::new());
    let listen = |progress: Progress| {
        told.lock().unwrap().push(progress.stage);
        ControlFlow::Continue(())
    };
    collection.train_with(&listen).unwrap();
    assert_eq!(collection.stats().unwrap().generation, 2);
    let mut stages = told.into_inner().unwrap();
    stages.dedup();
    stages.retain(|stage| *stage != Stage::Training);
    assert_eq!(stages, [Stage::Sampling, Stage::Adding, Stage::Measuring]);
    for stop_at in [Stage::Sampling, Stage::Adding, Stage::Measuring] {
        let stop = |progress: Progress| match progress.stage == stop_at {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let stopped = collection.train_with(&stop).unwrap_err();
        assert!(
            matches!(stopped, Error::Engine(_)) && stopped.to_string().contains("cancelled"),
            "{stopped}"
        );
        assert_eq!(collection.stats().unwrap().generation, 2, "{stop_at:?}");
    }
    let found = collection
        .search(&Query::vector(points[5].clone()).top_k(1))
        .unwrap();
    assert_eq!(found.matches[0].document.metadata["row"], 5);
}

#[test]
fn an_index_learns_anew_when_there_are_four_times_as_many() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let points = Cloud::new(18).points(2_900);
    let collection = sealed(&db, "IVF16,Flat", Metric::L2, &points[..700]);
    let learns = || {
        let told = Mutex::new(Vec::new());
        let listen = |progress: Progress| {
            told.lock().unwrap().push(progress.stage);
            ControlFlow::Continue(())
        };
        collection.compact_with(&listen).unwrap();
        told.into_inner().unwrap().contains(&Stage::Sampling)
    };
    upsert(&collection, 700, &points[700..2_700]);
    assert!(!learns());
    upsert(&collection, 2_700, &points[2_700..]);
    assert!(learns());
    assert_eq!(collection.stats().unwrap().sealed, points.len());
}

#[test]
fn a_kind_that_cannot_grow_is_built_anew_from_all_rows() {
    let dir = tempfile::tempdir().unwrap();
    let db = writer(dir.path());
    let points = Cloud::new(15).points(1_600);
    let collection = sealed(&db, "NSG16", Metric::L2, &points[..1_200]);
    upsert(&collection, 1_200, &points[1_200..]);
    collection.compact().unwrap();
    let stats = collection.stats().unwrap();
    assert_eq!(
        (stats.index.as_deref(), stats.sealed, stats.fresh),
        (Some("NSG16"), 1_600, 0)
    );
    let (found, _) = recall(
        &collection,
        &Query::default(),
        &points,
        &Cloud::new(16).points(50),
    );
    assert!(found >= 0.95, "{found}");
}

#[test]
fn the_share_of_deleted_ones_that_is_borne_is_a_setting() {
    let points = Cloud::new(17).points(10_000);
    let dir = tempfile::tempdir().unwrap();
    for share in [0.0, -0.5, 1.01, f32::NAN] {
        let refused = Options::default()
            .compact_at(share)
            .open(dir.path().join("d"))
            .unwrap_err();
        assert!(refused.to_string().contains("compact_at"), "{refused}");
    }
    let db = Options::default()
        .compact_at(0.45)
        .open(dir.path())
        .unwrap();
    let collection = sealed(&db, "SQ8", Metric::L2, &points);
    let delete = |rows: std::ops::Range<i64>| {
        let keys: Vec<vinedb::Key> = rows.map(vinedb::Key::from).collect();
        collection.delete(&keys).unwrap();
    };
    delete(0..4_400);
    assert_eq!(collection.stats().unwrap().deleted, 4_400);
    delete(4_400..4_600);
    eventually("it is rid of them", || {
        collection.stats().unwrap().deleted == 0
    });
    assert_eq!(collection.stats().unwrap().sealed, 5_400);
    let found = collection
        .search(&Query::vector(points[10].clone()))
        .unwrap();
    assert!(
        found
            .matches
            .iter()
            .all(|found| found.document.metadata["row"].as_u64().unwrap() >= 4_600)
    );
}
