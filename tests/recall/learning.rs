//! Kinds that learn: by themselves as soon as there is enough, when they are told to, and anew when the collection has outgrown
//! what they learned from; what a compaction takes along.

use std::ops::ControlFlow;
use std::sync::Mutex;

use vinedb::{
    Metric, Options, Query,
    answer::Strategy,
    index::{Progress, Stage},
};

use super::{NAME, cloud::Cloud, config, recall, sealed, upsert};
use crate::sample::{eventually, writer};

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
            collection
                .stats()
                .unwrap()
                .local
                .expect("the index is in this process")
                .index
                .as_deref()
                == Some(index)
        });
        let explanation = collection.stats().unwrap().explanation;
        assert!(!explanation.contains("vectors on"), "{explanation}");
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
    let stats = collection.stats().unwrap();
    assert_eq!(
        stats
            .local
            .as_ref()
            .expect("the index is in this process")
            .generation,
        0
    );
    assert!(
        stats.explanation.starts_with("exact: 500 vectors, ")
            && stats
                .explanation
                .ends_with("; IVF64,Flat from 2,496 vectors on"),
        "{}",
        stats.explanation
    );
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
    assert_eq!(
        collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .generation,
        2
    );
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
            stopped.is_cancelled() && stopped.to_string().contains("cancelled"),
            "{stopped}"
        );
        assert_eq!(
            collection
                .stats()
                .unwrap()
                .local
                .expect("the index is in this process")
                .generation,
            2,
            "{stop_at:?}"
        );
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
    assert_eq!(
        collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .sealed,
        points.len()
    );
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
        (
            stats
                .local
                .as_ref()
                .expect("the index is in this process")
                .index
                .as_deref(),
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
fn compacting_takes_out_what_is_deleted_where_the_rest_can_stay() {
    let points = Cloud::new(18).points(3_000);
    for (index, left) in [("SQ8", 0), ("IVF16,Flat", 0), ("HNSW8", 10)] {
        let dir = tempfile::tempdir().unwrap();
        let db = writer(dir.path());
        let collection = sealed(&db, index, Metric::L2, &points);
        let keys: Vec<vinedb::Key> = (0..10).map(vinedb::Key::from).collect();
        collection.delete(&keys).unwrap();
        collection.compact().unwrap();
        let stats = collection.stats().unwrap();
        assert_eq!(
            (
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .deleted,
                stats
                    .local
                    .as_ref()
                    .expect("the index is in this process")
                    .sealed
                    - left
            ),
            (left, 2_990),
            "{index}"
        );
        let found = collection.search(&Query::vector(points[3].clone()).top_k(3_000));
        assert_eq!(found.unwrap().matches.len(), 2_990, "{index}");
    }
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
    assert_eq!(
        collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .deleted,
        4_400
    );
    delete(4_400..4_600);
    eventually("it is rid of them", || {
        collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .deleted
            == 0
    });
    assert_eq!(
        collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .sealed,
        5_400
    );
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
