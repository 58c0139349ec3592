//! One index used from many threads, copied, and grown in parts: the answers stay what they are.

use super::fixtures::*;
use crate::{IdSet, Index, Metric, SearchParams, Select, with_threads};

const DIMENSION: usize = 24;
const ROWS: usize = 700;
const EXACT: SearchParams = SearchParams::EXACT;

#[test]
fn one_thread_or_many_give_the_same_answers() {
    let points = clustered(12, 6000, DIMENSION, 20);
    let queries = clustered(13, 301, DIMENSION, 20);
    for kind in kinds() {
        let index = build(Metric::Cosine, &kind, DIMENSION, &points);
        let params = SearchParams {
            ef_search: Some(20),
            nprobe: Some(2),
            exact: false,
            ..SearchParams::DEFAULT
        };
        let search = || index.search(&queries, 7, &params, Select::All).unwrap();
        let one = with_threads(1, search);
        let three = with_threads(3, search);
        for (query, (one, three)) in queries.chunks(DIMENSION).zip(one.iter().zip(&three)) {
            let alone = index.search(query, 7, &params, Select::All).unwrap();
            for other in [three, &alone[0]] {
                assert_eq!(
                    one.iter().map(|hit| hit.id).collect::<Vec<_>>(),
                    other.iter().map(|hit| hit.id).collect::<Vec<_>>(),
                    "{kind}"
                );
            }
        }
    }
}

#[test]
fn searches_from_several_threads_do_not_disturb_each_other() {
    let points = clustered(14, 5000, DIMENSION, 20);
    for kind in kinds() {
        let index = build(Metric::L2, &kind, DIMENSION, &points);
        let wide = SearchParams {
            ef_search: Some(100),
            nprobe: Some(8),
            exact: false,
            ..SearchParams::DEFAULT
        };
        let narrow = SearchParams {
            ef_search: Some(10),
            nprobe: Some(1),
            exact: false,
            ..SearchParams::DEFAULT
        };
        let set: IdSet = ids(5000).into_iter().step_by(2).collect();
        let asks = [
            (wide, Select::All),
            (narrow, Select::Except(&set)),
            (narrow, Select::All),
            (wide, Select::Only(&set)),
        ];
        let search = |(params, select): (SearchParams, Select<'_>)| {
            points
                .chunks(DIMENSION)
                .take(60)
                .map(|query| index.search(query, 5, &params, select).unwrap())
                .collect::<Vec<_>>()
        };
        let alone: Vec<_> = asks.iter().map(|ask| search(*ask)).collect();
        std::thread::scope(|scope| {
            let running: Vec<_> = asks
                .iter()
                .map(|ask| scope.spawn(|| search(*ask)))
                .collect();
            for (thread, expected) in running.into_iter().zip(&alone) {
                assert_eq!(&thread.join().unwrap(), expected, "{kind}");
            }
        });
    }
}

#[test]
fn a_copy_grows_on_its_own() {
    let points = clustered(15, ROWS, DIMENSION, 5);
    let more = clustered(16, 50, DIMENSION, 5);
    for (metric, kind) in lossless() {
        let original = build(metric, &kind, DIMENSION, &points);
        let before = original.search(&more, 5, &EXACT, Select::All).unwrap();
        let mut copy = original.try_clone().unwrap();
        let last = original.last_id().unwrap();
        copy.add(&(last + 1..=last + 50).collect::<Vec<_>>(), &more)
            .unwrap();
        assert_eq!((original.len(), copy.len()), (ROWS, ROWS + 50));
        assert_eq!(
            original.search(&more, 5, &EXACT, Select::All).unwrap(),
            before
        );
        drop(original);
        for (query, id) in more.chunks(DIMENSION).zip(last + 1..) {
            let hits = copy
                .search(query, 1, &EXACT, Select::Only(&IdSet::from_sorted(&[id])))
                .unwrap();
            assert_eq!(hits[0][0].id, id, "{metric} {kind}");
            let truth = distance(metric, query, query);
            assert!((f64::from(hits[0][0].distance) - truth).abs() <= 1e-5 * truth.max(1.0));
        }
    }
}

#[test]
fn added_in_parts_or_at_once_finds_the_same() {
    let points = clustered(17, 2000, DIMENSION, 10);
    let all = ids(2000);
    for (metric, kind) in lossless() {
        let mut parts = Index::new(DIMENSION, metric, &kind).unwrap();
        parts.train(&points).unwrap();
        for (ids, points) in all.chunks(333).zip(points.chunks(333 * DIMENSION)) {
            parts.add(ids, points).unwrap();
        }
        let whole = build(metric, &kind, DIMENSION, &points);
        let queries = &points[..40 * DIMENSION];
        let found = |index: &Index| index.search(queries, 5, &EXACT, Select::All).unwrap();
        assert_eq!(found(&parts), found(&whole), "{metric} {kind}");
        assert_eq!(parts.ids(), whole.ids());
    }
}

/// What builds of different indexes share beside what is theirs, say tables of visited rows, is shared by searches as well.
#[test]
fn searches_beside_builds_of_other_indexes_answer_what_they_answer_alone() {
    let points = clustered(18, 3000, DIMENSION, 20);
    let params = SearchParams {
        ef_search: Some(40),
        exact: false,
        ..SearchParams::DEFAULT
    };
    for kind in kinds() {
        let index = build(Metric::L2, &kind, DIMENSION, &points);
        let queries = &points[..50 * DIMENSION];
        let search = || index.search(queries, 5, &params, Select::All).unwrap();
        let alone = search();
        std::thread::scope(|scope| {
            let builds: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| build(Metric::L2, &kind, DIMENSION, &points)))
                .collect();
            while !builds.iter().all(|build| build.is_finished()) {
                assert_eq!(search(), alone, "{kind}");
            }
            for built in builds {
                let built = built.join().unwrap();
                assert_eq!(built.ids(), index.ids(), "{kind}");
                let exact = |index: &Index| index.search(queries, 5, &EXACT, Select::All).unwrap();
                assert_eq!(exact(&built), exact(&index), "{kind}");
            }
        });
    }
}
