//! Any order of operations on any kind, against a list of vectors and a look at all of them.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::fixtures::*;
use crate::{Error, Hit, IdSet, Index, Kind, Metric, SearchParams, Select, Stamp};

const DIMENSION: usize = 16;

#[derive(Debug, Clone)]
enum Operation {
    Train,
    Add {
        rows: usize,
        gap: i64,
    },
    Search {
        k: usize,
        params: SearchParams,
        select: Selection,
    },
    Range {
        near: f32,
        limit: usize,
        select: Selection,
    },
    Scan {
        k: usize,
    },
    Clone,
    SaveAndLoad,
}

#[derive(Debug, Clone, Copy)]
enum Selection {
    All,
    OnlyEvery(i64),
    ExceptEvery(i64),
}

fn any_params() -> impl Strategy<Value = SearchParams> {
    let number = || proptest::option::of(prop_oneof![0_usize..40, Just(usize::MAX)]);
    let numbers = (number(), number(), number(), number(), any::<bool>());
    numbers.prop_map(
        |(ef_search, nprobe, max_codes, rescore, exact)| SearchParams {
            ef_search,
            nprobe,
            max_codes,
            rescore: rescore.map(|rescore| rescore.min(50)),
            exact,
            ..SearchParams::DEFAULT
        },
    )
}

fn any_selection() -> impl Strategy<Value = Selection> {
    prop_oneof![
        Just(Selection::All),
        (1_i64..9).prop_map(Selection::OnlyEvery),
        (1_i64..9).prop_map(Selection::ExceptEvery),
    ]
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let k = || prop_oneof![0_usize..20, Just(5_000), Just(usize::MAX)];
    prop_oneof![
        1 => Just(Operation::Train),
        3 => (0_usize..60, 1_i64..1_000_000).prop_map(|(rows, gap)| Operation::Add { rows, gap }),
        4 => (k(), any_params(), any_selection())
            .prop_map(|(k, params, select)| Operation::Search { k, params, select }),
        2 => (0.0_f32..2.0, 0_usize..80, any_selection())
            .prop_map(|(near, limit, select)| Operation::Range { near, limit, select }),
        1 => k().prop_map(|k| Operation::Scan { k }),
        1 => Just(Operation::Clone),
        1 => Just(Operation::SaveAndLoad),
    ]
}

/// What an index holds, kept in the plainest way there is.
struct Model {
    metric: Metric,
    ids: Vec<i64>,
    vectors: Vec<f32>,
}

impl Model {
    /// All that the selection allows, closest first.
    fn all(&self, query: &[f32], select: Select<'_>) -> Vec<(i64, f64)> {
        let rows = self.ids.iter().zip(self.vectors.chunks_exact(DIMENSION));
        let mut all: Vec<(i64, f64)> = rows
            .filter(|(id, _)| select.allows(**id))
            .map(|(id, vector)| (*id, distance(self.metric, query, vector)))
            .collect();
        let sign = if self.metric.is_similarity() {
            -1.0
        } else {
            1.0
        };
        all.sort_by(|one, two| (sign * one.1).total_cmp(&(sign * two.1)));
        all
    }
}

struct Run {
    index: Index,
    model: Model,
    sample: Vec<f32>,
    random: Random,
    folder: tempfile::TempDir,
}

impl Run {
    fn new(kind: &Kind, metric: Metric, seed: u64) -> Self {
        let rows = kind.min_vectors(DIMENSION).max(60);
        Self {
            index: Index::new(DIMENSION, metric, kind).unwrap(),
            model: Model {
                metric,
                ids: Vec::new(),
                vectors: Vec::new(),
            },
            sample: data(metric, seed, rows),
            random: Random(!seed),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Train => self.index.train(&self.sample).unwrap(),
            Operation::Add { rows, gap } => self.add(*rows, *gap),
            Operation::Search { k, params, select } => self.search(*k, params, *select),
            Operation::Range {
                near,
                limit,
                select,
            } => self.range(*near, *limit, *select),
            Operation::Scan { k } => self.scan(*k),
            Operation::Clone => self.index = self.index.try_clone().unwrap(),
            Operation::SaveAndLoad => {
                let path = self.folder.path().join("index");
                self.index.save(&path, &Stamp::default()).unwrap();
                self.index = Index::load(&path, &Stamp::default()).unwrap();
            }
        }
        assert_eq!(self.index.ids(), self.model.ids);
    }

    /// A kind that is built at one go takes all it needs the first time and nothing after.
    fn add(&mut self, rows: usize, gap: i64) {
        let kind = self.index.kind().clone();
        let rows = if kind.can_grow() {
            rows
        } else {
            kind.min_vectors(DIMENSION)
        };
        let first = self.model.ids.last().map_or(0, |last| last + gap);
        let ids: Vec<i64> = (first..).take(rows).collect();
        let vectors = data(self.model.metric, self.random.next(), rows);
        match self.index.add(&ids, &vectors) {
            Ok(()) => {
                self.model.ids.extend(ids);
                self.model.vectors.extend(vectors);
            }
            Err(Error::NotTrained { .. }) => assert!(!self.index.is_trained()),
            Err(Error::Unsupported { .. }) => assert!(!kind.can_grow()),
            Err(error) => panic!("{kind}: {error}"),
        }
    }

    fn query(&mut self) -> Vec<f32> {
        data(self.model.metric, self.random.next(), 1)
    }

    fn search(&mut self, k: usize, params: &SearchParams, selection: Selection) {
        let (set, query) = (self.set(selection), self.query());
        let select = selected(selection, &set);
        let hits = self.index.search(&query, k, params, select).unwrap();
        let expected = self.model.all(&query, select);
        let context = format!("{} k={k} {params:?} {selection:?}", self.index.kind());
        assert_eq!(hits[0].len(), k.min(expected.len()), "{context}");
        self.check(&hits[0], &expected, select, &context);
        if params.exact && self.index.kind().is_lossless() {
            let scale = magnitude(&expected);
            assert_same(&hits[0], &expected[..hits[0].len()], scale, &context);
        }
    }

    fn range(&mut self, near: f32, limit: usize, selection: Selection) {
        let (set, query) = (self.set(selection), self.query());
        let select = selected(selection, &set);
        let all = self
            .index
            .search(&query, usize::MAX, &SearchParams::EXACT, select);
        let all = all.unwrap().remove(0);
        let radius = all
            .get(all.len() / 2)
            .map_or(near, |hit| hit.distance * near);
        let hits = self
            .index
            .range(&query, radius, limit, &SearchParams::EXACT, select);
        let hits = hits.unwrap();
        let context = format!("{} radius {radius} {limit}", self.index.kind());
        self.check(&hits, &self.model.all(&query, select), select, &context);
        let metric = self.model.metric;
        let within = |hit: &Hit| metric.score(hit.distance) >= metric.score(radius);
        assert!(hits.iter().all(within), "{context}");
        // Rounding may decide about those that lie on the radius.
        let slack = 1e-4 * radius.abs().max(1e-3);
        let inside = |hit: &&Hit| metric.score(hit.distance) > metric.score(radius) + slack;
        let least = all.iter().filter(inside).count().min(limit);
        assert!(
            hits.len() >= least && hits.len() <= limit,
            "{context}: {hits:?} of {all:?}"
        );
    }

    fn scan(&mut self, k: usize) {
        let query = self.query();
        let chosen: Vec<i64> = self.model.ids.iter().copied().step_by(3).collect();
        let Some(hits) = self.index.scan(&query, k, &chosen).unwrap() else {
            return assert!(!self.index.kind().is_lossless());
        };
        let set = IdSet::from_sorted(&chosen);
        let mut expected = self.model.all(&query, Select::Only(&set));
        expected.truncate(k);
        assert_same(&hits, &expected, magnitude(&expected), "scan");
    }

    /// Every hit is allowed, known, there once, and in its order.
    fn check(&self, hits: &[Hit], expected: &[(i64, f64)], select: Select<'_>, context: &str) {
        let known = |hit: &Hit| expected.iter().any(|(id, _)| *id == hit.id);
        assert!(
            hits.iter().all(|hit| select.allows(hit.id) && known(hit)),
            "{context}"
        );
        let score = |hit: &Hit| self.model.metric.score(hit.distance);
        assert!(
            hits.is_sorted_by(|one, two| score(one) >= score(two)),
            "{context}: {hits:?}"
        );
        let distinct: IdSet = hits.iter().map(|hit| hit.id).collect();
        assert_eq!(distinct.len(), hits.len(), "{context}");
    }

    fn set(&self, selection: Selection) -> IdSet {
        match selection {
            Selection::All => IdSet::new(),
            Selection::OnlyEvery(step) | Selection::ExceptEvery(step) => {
                let step = usize::try_from(step).unwrap();
                self.model.ids.iter().copied().step_by(step).collect()
            }
        }
    }
}

fn selected(selection: Selection, set: &IdSet) -> Select<'_> {
    match selection {
        Selection::All => Select::All,
        Selection::OnlyEvery(_) => Select::Only(set),
        Selection::ExceptEvery(_) => Select::Except(set),
    }
}

fn data(metric: Metric, seed: u64, rows: usize) -> Vec<f32> {
    suited(metric, &clustered(seed, rows, DIMENSION, 4))
}

fn magnitude(expected: &[(i64, f64)]) -> f64 {
    expected
        .iter()
        .fold(1.0, |most, (_, distance)| most.max(distance.abs()))
}

fn kind_and_metric() -> impl Strategy<Value = (Kind, Metric)> {
    let pairs: Vec<(Kind, Metric)> = catalogue()
        .into_iter()
        .flat_map(|kind| {
            all_metrics()
                .into_iter()
                .map(move |metric| (kind.clone(), metric))
        })
        .filter(|(kind, metric)| kind.supports(*metric))
        .collect();
    proptest::sample::select(pairs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 200, rng_seed: RngSeed::Fixed(20_261_124), ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_operations_leaves_the_index_right(
        (kind, metric) in kind_and_metric(),
        seed in any::<u64>(),
        operations in proptest::collection::vec(any_operation(), 1..14),
    ) {
        let mut run = Run::new(&kind, metric, seed);
        for operation in &operations {
            run.perform(operation);
        }
    }
}
