//! Every kind with every metric that it supports: exact searches against brute force, selections, any k, radii, vectors
//! read back, many threads at once, recall. One small index of each is built for all of it.

use super::fixtures::*;
use crate::{Error, Hit, IdSet, Index, Kind, Metric, Refine, SearchParams, Select, with_threads};

const DIMENSION: usize = 16;
const ROWS: usize = 1_050;
const QUERIES: usize = 8;
const EXACT: SearchParams = SearchParams::EXACT;

/// Kinds of every structure, code, transform and second look, and how many of the true nearest 10 an exact search over
/// what each keeps finds at least, of vectors of [`DIMENSION`] under L2.
const KINDS: [(&str, f64); 38] = [
    ("Flat", 1.0),
    ("SQ8", 0.95),
    ("SQ6", 0.9),
    ("SQ4", 0.7),
    ("SQfp16", 0.98),
    ("SQbf16", 0.95),
    ("PQ8x4", 0.5),
    ("PQ8x4fs", 0.5),
    ("RaBitQ", 0.15),
    ("LSH", 0.09),
    ("LSH64r", 0.2),
    ("LSH12rt", 0.05),
    ("HNSW16", 1.0),
    ("HNSW16,SQ8", 0.95),
    ("HNSW16,PQ8x4", 0.5),
    ("NSG16", 1.0),
    ("NSG16,SQ8", 0.95),
    ("NSG16,PQ8x4", 0.5),
    ("IVF8,Flat", 1.0),
    ("IVF8,SQ8", 0.95),
    ("IVF8,PQ8x4", 0.5),
    ("IVF8,PQ8x4fs", 0.5),
    ("IVF8,PQ8x4fsr", 0.5),
    ("IVF8,RaBitQ", 0.18),
    ("IVF8_HNSW4,Flat", 1.0),
    ("IVF8_HNSW4,PQ8x4fs", 0.5),
    ("PCA12,Flat", 0.65),
    ("PCAW12,HNSW16", 0.3),
    ("RR,SQ8", 0.93),
    ("L2norm,Flat", 0.35),
    ("Pad24,IVF8,SQ8", 0.95),
    ("ITQ,LSH", 0.11),
    ("HNSW16,RFlat", 1.0),
    ("NSG16,SQ4,RFlat", 1.0),
    ("IVF8_HNSW4,PQ8x4fsr,RFlat", 1.0),
    ("ITQ,LSH64r,RFlat", 1.0),
    ("PCA8,HNSW16,SQ8,RFlat", 1.0),
    ("PQ8x4fs,Refine(SQ8)", 0.95),
];

/// Sums of several hundred products of numbers about 1, in single precision.
const SCALE: f64 = 100.0;

/// What the metric has a meaning for, with some components 0.
fn with_zeros(metric: Metric, points: Vec<f32>) -> Vec<f32> {
    let mut points = suited(metric, &points);
    points.iter_mut().step_by(37).for_each(|x| *x = 0.0);
    points
}

struct Case {
    metric: Metric,
    kind: Kind,
    index: Index,
    points: Vec<f32>,
    queries: Vec<f32>,
    context: String,
}

impl Case {
    fn new(metric: Metric, kind: Kind) -> Self {
        let points = with_zeros(metric, clustered(71, ROWS, DIMENSION, 9));
        Self {
            metric,
            index: build(metric, &kind, DIMENSION, &points),
            queries: with_zeros(metric, clustered(72, QUERIES, DIMENSION, 9)),
            context: format!("{kind} {metric}"),
            points,
            kind,
        }
    }

    fn truth(&self, k: usize, select: Select<'_>) -> Vec<Vec<(i64, f64)>> {
        let queries = self.queries.chunks(DIMENSION);
        let of_one = |query| brute_force(self.metric, &self.points, DIMENSION, query, k, select);
        queries.map(of_one).collect()
    }

    fn search(&self, k: usize, params: &SearchParams, select: Select<'_>) -> Vec<Vec<Hit>> {
        let found = self.index.search(&self.queries, k, params, select);
        found.unwrap_or_else(|error| panic!("{}: {error}", self.context))
    }

    /// In order, each allowed and once, and as many as there can be.
    fn assert_sound(&self, hits: &[Hit], count: usize, select: Select<'_>) {
        let context = &self.context;
        assert_eq!(hits.len(), count, "{context}: number of hits");
        let score = |hit: &Hit| self.metric.score(hit.distance);
        assert!(
            hits.iter()
                .all(|hit| select.allows(hit.id) && !hit.distance.is_nan()),
            "{context} {select:.20?}: {hits:?}"
        );
        assert!(
            hits.is_sorted_by(|one, two| score(one) >= score(two)),
            "{context}: {hits:?}"
        );
        let ids: IdSet = hits.iter().map(|hit| hit.id).collect();
        assert_eq!(ids.len(), hits.len(), "{context}: an id came twice");
    }

    fn exact_and_selected(&self) {
        let third: IdSet = ids(ROWS).into_iter().step_by(3).collect();
        let few: IdSet = ids(ROWS).into_iter().skip(5).step_by(90).collect();
        for select in [
            Select::All,
            Select::Only(&third),
            Select::Except(&third),
            Select::Only(&few),
            Select::Between(400, 2_500),
            Select::Between(400, 600),
            Select::Between(600, 400),
        ] {
            let truth = self.truth(10, select);
            let exact = self.search(10, &EXACT, select);
            let default = self.search(10, &SearchParams::DEFAULT, select);
            for ((truth, exact), default) in truth.iter().zip(&exact).zip(&default) {
                self.assert_sound(exact, truth.len(), select);
                self.assert_sound(default, truth.len(), select);
                if self.kind.is_lossless() {
                    assert_same(exact, truth, SCALE, &self.context);
                }
            }
        }
    }

    fn any_number_of_neighbours(&self) {
        let little = SearchParams {
            ef_search: Some(1),
            nprobe: Some(1),
            rescore: Some(1),
            ..SearchParams::DEFAULT
        };
        for params in [little, EXACT] {
            for k in [0, 1, 2, 21, ROWS - 1, ROWS, ROWS + 7] {
                for hits in self.search(k, &params, Select::All) {
                    self.assert_sound(&hits, k.min(ROWS), Select::All);
                }
            }
        }
    }

    fn radii(&self) {
        let query = &self.queries[..DIMENSION];
        let half: IdSet = ids(ROWS).into_iter().step_by(2).collect();
        for select in [
            Select::All,
            Select::Except(&half),
            Select::Between(400, 2_500),
        ] {
            let all = self
                .index
                .search(query, ROWS, &EXACT, select)
                .unwrap()
                .remove(0);
            let radius = all[40].distance;
            let within = |hit: &&Hit| self.metric.score(hit.distance) >= self.metric.score(radius);
            let expected = all.iter().filter(within).count();
            for params in [EXACT, SearchParams::DEFAULT] {
                let found = self
                    .index
                    .range(query, radius, ROWS, &params, select)
                    .unwrap();
                assert!(
                    found
                        .iter()
                        .all(|hit| within(&hit) && select.allows(hit.id))
                );
                if params.exact && self.kind.is_lossless() {
                    assert_eq!(found.len(), expected, "{}", self.context);
                }
                let closest = self.index.range(query, radius, 5, &params, select).unwrap();
                assert!(closest.len() <= 5, "{}", self.context);
            }
        }
    }

    fn read_back(&self) {
        let asked = [10, 11, 10 + 3 * 77, 13, 10];
        let read = match self.index.reconstruct(&asked) {
            Ok(read) => read,
            Err(error) => {
                assert!(matches!(error, Error::Unsupported { .. }), "{error}");
                return assert!(!self.kind.can_reconstruct(), "{}", self.context);
            }
        };
        assert!(read[1].is_none() && read[0] == read[4]);
        for (vector, row) in [(&read[0], 0), (&read[2], 77), (&read[3], 1)] {
            let vector = vector.as_ref().unwrap();
            let given = &self.points[row * DIMENSION..][..DIMENSION];
            assert_eq!(vector.len(), DIMENSION);
            if self.kind.is_lossless() && self.metric != Metric::Cosine {
                assert_eq!(vector, given, "{}", self.context);
            }
            let norms = |a: &[f32]| a.iter().map(|x| x * x).sum::<f32>();
            let close = distance(Metric::Cosine, vector, given);
            let least = if self.kind.transforms.is_empty() {
                0.6
            } else {
                0.3
            };
            assert!(
                norms(vector) > 0.0 && close > least,
                "{}: {close}",
                self.context
            );
        }
    }

    /// Searches of different effort on one index, side by side, answer what they answer alone.
    fn together(&self) {
        let half: IdSet = ids(ROWS).into_iter().step_by(2).collect();
        let effort = |ef, nprobe, rescore| SearchParams {
            ef_search: Some(ef),
            nprobe: Some(nprobe),
            rescore: Some(rescore),
            ..SearchParams::DEFAULT
        };
        let asks = [
            (effort(60, 6, 8), Select::All),
            (effort(10, 1, 1), Select::Except(&half)),
            (effort(12, 2, 2), Select::Between(300, 3_000)),
        ];
        let search =
            |(params, select): &(SearchParams, Select<'_>)| self.search(5, params, *select);
        let alone: Vec<_> = asks.iter().map(search).collect();
        std::thread::scope(|scope| {
            let running: Vec<_> = asks
                .iter()
                .map(|ask| scope.spawn(|| (0..5).map(|_| search(ask)).collect::<Vec<_>>()))
                .collect();
            for (thread, expected) in running.into_iter().zip(&alone) {
                for found in thread.join().unwrap() {
                    assert_eq!(&found, expected, "{}", self.context);
                }
            }
        });
        let three = with_threads(3, || search(&asks[0]));
        self.assert_equal_but_for_rounding(&three, &alone[0]);
    }

    /// Transforms multiply matrices, whose sums go in another order for other numbers of queries.
    fn assert_equal_but_for_rounding(&self, one: &[Vec<Hit>], other: &[Vec<Hit>]) {
        assert_eq!(one.len(), other.len(), "{}", self.context);
        for (one, other) in one.iter().flatten().zip(other.iter().flatten()) {
            let off = (one.distance - other.distance).abs();
            let within = if self.kind.transforms.is_empty() {
                0.0
            } else {
                1e-5 * one.distance.abs().max(1.0)
            };
            assert!(
                one.id == other.id && off <= within,
                "{}: {one:?} and {other:?}",
                self.context
            );
        }
    }

    fn check(&self) {
        self.exact_and_selected();
        self.any_number_of_neighbours();
        self.radii();
        self.read_back();
        self.together();
    }
}

fn check_all(metric: Metric) {
    for (name, _) in KINDS {
        let kind: Kind = name.parse().unwrap();
        if kind.supports(metric) {
            Case::new(metric, kind).check();
        }
    }
}

#[test]
fn every_kind_under_l2() {
    check_all(Metric::L2);
}

#[test]
fn every_kind_under_cosine() {
    check_all(Metric::Cosine);
}

#[test]
fn every_kind_that_knows_inner_product() {
    check_all(Metric::InnerProduct);
}

#[test]
fn every_kind_under_the_other_metrics() {
    for metric in all_metrics().into_iter().skip(METRICS.len()) {
        check_all(metric);
    }
}

#[test]
fn codes_find_as_much_as_they_can_tell_apart() {
    for (name, least) in KINDS {
        let case = Case::new(Metric::L2, name.parse().unwrap());
        let truth = case.truth(10, Select::All);
        let found = recall(&case.search(10, &EXACT, Select::All), &truth);
        assert!(found >= least - 0.001, "{name}: {found}");
        if case.kind.refine == Some(Refine::Flat) {
            let generous = SearchParams {
                rescore: Some(20),
                nprobe: Some(8),
                ..SearchParams::DEFAULT
            };
            let second = recall(&case.search(10, &generous, Select::All), &truth);
            assert!(second >= 0.75, "{name}: {second} at its second look");
        }
    }
}

#[test]
fn untrained_and_empty_indexes_of_every_kind_find_nothing() {
    let set = IdSet::from_sorted(&[1, 2]);
    for (name, _) in KINDS {
        let kind: Kind = name.parse().unwrap();
        let index = Index::new(DIMENSION, Metric::L2, &kind).unwrap();
        let query = [0.5; DIMENSION];
        for select in [Select::All, Select::Only(&set), Select::Between(0, 9)] {
            assert_eq!(
                index.search(&query, 3, &EXACT, select).unwrap(),
                [[]],
                "{name}"
            );
            assert_eq!(index.range(&query, 9.0, 3, &EXACT, select).unwrap(), []);
        }
        if kind.can_reconstruct() {
            assert_eq!(index.reconstruct(&[1, 2]).unwrap(), [None, None]);
        }
    }
}

#[test]
fn nsg_takes_its_vectors_at_one_go() {
    let points = clustered(73, ROWS, DIMENSION, 9);
    let kind = Kind::nsg(16);
    let mut index = Index::new(DIMENSION, Metric::L2, &kind).unwrap();
    let few = index.add(&ids(40), &points[..40 * DIMENSION]);
    assert!(
        matches!(
            few,
            Err(Error::TooFewTrainingVectors {
                given: 40,
                minimum: 1_000,
                ..
            })
        ),
        "{few:?}"
    );
    index.add(&ids(ROWS), &points).unwrap();
    let more = index.add(&[1_000_000], &points[..DIMENSION]);
    assert!(matches!(more, Err(Error::Unsupported { .. })), "{more:?}");
    assert_eq!(index.len(), ROWS);
}

#[test]
fn equal_vectors_come_back_from_every_kind() {
    let points = [0.5, 1.0, -2.0, 0.25].repeat(ROWS * DIMENSION / 4);
    for (name, _) in KINDS {
        let kind: Kind = name.parse().unwrap();
        // Principal components of one point are no numbers.
        if kind.transforms.is_empty() {
            let index = build(Metric::L2, &kind, DIMENSION, &points);
            for params in [EXACT, SearchParams::DEFAULT] {
                let found = index.search(&points[..DIMENSION], 30, &params, Select::All);
                let hits = found.unwrap().remove(0);
                assert_sound(&index, &hits, 30, name);
                // They are all as far away as each other, which is nowhere but for what codes lose.
                assert!(
                    hits.iter().all(|hit| hit.distance == hits[0].distance),
                    "{name}: {hits:?}"
                );
                let lossless = kind.is_lossless();
                assert!(!lossless || hits[0].distance == 0.0, "{name}: {hits:?}");
            }
        }
    }
}

#[test]
fn the_zero_vector_has_cosine_0_where_whole_vectors_are_found_by_l2() {
    let mut points = clustered(74, ROWS, DIMENSION, 9);
    points[..DIMENSION].fill(0.0);
    for name in [
        "NSG16",
        "LSH,RFlat",
        "HNSW16,PQ8x4,RFlat",
        "PCA8,Flat,RFlat",
    ] {
        let index = build(Metric::Cosine, &name.parse().unwrap(), DIMENSION, &points);
        let query = &points[DIMENSION..2 * DIMENSION];
        let zero = index.scan(query, 1, &[10]).unwrap().unwrap();
        assert_eq!(
            zero,
            [Hit {
                id: 10,
                distance: 0.0
            }],
            "{name}"
        );
        let all = index
            .search(query, ROWS, &EXACT, Select::All)
            .unwrap()
            .remove(0);
        assert!(all.contains(&zero[0]), "{name}");
    }
}

#[test]
fn a_radius_that_is_no_number_is_refused() {
    let index = build(Metric::L2, &Kind::flat(), 2, &[1.0, 2.0]);
    let outcome = index.range(&[1.0, 2.0], f32::NAN, 5, &EXACT, Select::All);
    assert!(matches!(
        outcome,
        Err(Error::ParameterRange {
            parameter: "radius",
            ..
        })
    ));
    let everything = index.range(&[1.0, 2.0], f32::INFINITY, 5, &EXACT, Select::All);
    assert_eq!(everything.unwrap().len(), 1);
}
