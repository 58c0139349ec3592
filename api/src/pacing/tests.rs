//! Writes that outrun a compaction that is held up: which of them wait, and what ends that.

use std::{
    ops::Range,
    sync::MutexGuard,
    thread::{self, ScopedJoinHandle},
};

use engine::{IndexSpec, Metric, SearchParams};

use super::*;
use crate::{
    Collection, CollectionConfig, Database, Document, Error, Options, Query, Upserted,
    compaction::due_at,
};

const GRAPH: &str = "hnsw_rs(m=4,ef_construction=16)";
/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3_600);
/// Rows with which writes wait, as long as few are sealed.
const MANY: u16 = 8_192;
const BATCH: u16 = 512;

struct Scene {
    folder: tempfile::TempDir,
    database: Database,
    collection: Collection,
}

impl Scene {
    fn new(index: &str, options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = options.open(folder.path()).unwrap();
        let config = CollectionConfig::given(2)
            .metric(Metric::L2)
            .index(IndexSpec::parse(index).unwrap());
        let collection = database.create_collection("c", config).unwrap();
        Self {
            folder,
            database,
            collection,
        }
    }

    fn patient() -> Self {
        assert_eq!(usize::from(MANY), CROWDED * due_at(0));
        Self::new(GRAPH, Options::default().pace_writes(LONG))
    }

    fn core(&self) -> &Core {
        &self.collection.core
    }

    fn pace(&self) -> &Pace {
        &self.core().pace
    }

    /// As if searches came all the time from now on.
    fn search_on(&self) {
        self.pace().searched(Instant::now() + LONG);
    }

    /// Compactions wait as long as this is kept.
    fn hold(&self) -> MutexGuard<'_, ()> {
        self.core().compacting.lock().unwrap()
    }

    fn write(&self, keys: Range<u16>) -> Result<Upserted> {
        let document = |key| Document::from_vector(i64::from(key), vector(key));
        self.collection.upsert(keys.map(document).collect())
    }

    fn waits(&self) -> u64 {
        *self.pace().lock()
    }

    /// Fresh rows, at a moment when nobody adds any and none are sealed.
    fn fresh(&self) -> usize {
        let _writing = self.core().writing.lock().unwrap();
        self.core().view.load().fresh_len()
    }

    /// Writes up to where writes wait, has one more wait, and lets `release` end that. What the write answers.
    fn released(&self, release: impl FnOnce(MutexGuard<'_, ()>, &Caller)) -> Result<Upserted> {
        let (held, caller) = (self.hold(), Caller::default());
        self.write(0..MANY / 2).unwrap();
        self.write(MANY / 2..MANY).unwrap();
        self.search_on();
        thread::scope(|scope| {
            let writer = scope.spawn(|| caller.attend(|| self.write(MANY..MANY + 1)));
            self.until_waiting(&writer);
            assert_eq!(self.fresh(), usize::from(MANY));
            release(held, &caller);
            writer.join().unwrap()
        })
    }

    fn until_waiting<T>(&self, writer: &ScopedJoinHandle<'_, T>) {
        while self.waits() == 0 {
            assert!(!writer.is_finished(), "it did not wait");
            thread::yield_now();
        }
    }

    /// Every document is found by its own vector.
    fn has_all(&self, keys: Range<u16>) {
        assert_eq!(
            self.collection.count(None).unwrap(),
            u64::try_from(keys.len()).unwrap()
        );
        let exactly = |key| Query::vector(vector(key)).params(SearchParams::EXACT);
        let queries: Vec<Query> = keys.clone().map(|key| exactly(key).top_k(1)).collect();
        let answers = self.collection.search_batch(&queries).unwrap();
        for (key, answer) in keys.zip(answers) {
            assert_eq!(answer.matches[0].key, i64::from(key).into());
        }
    }
}

fn vector(key: u16) -> Vec<f32> {
    vec![f32::from(key), 1.0]
}

#[test]
fn fresh_rows_stay_few_while_somebody_searches() {
    const EACH: u16 = 16;
    const WRITERS: u16 = 3;
    let scene = Scene::patient();
    scene.search_on();
    let held = scene.hold();
    let write = |writer: u16| {
        let first = writer * EACH;
        for batch in first..first + EACH {
            scene.write(batch * BATCH..(batch + 1) * BATCH).unwrap();
        }
    };
    thread::scope(|scope| {
        let writers = [0, 1, 2].map(|writer| scope.spawn(move || write(writer)));
        writers
            .iter()
            .for_each(|writer| scene.until_waiting(writer));
        assert_eq!(scene.fresh(), usize::from(MANY));
        drop(held);
        while writers.iter().any(|writer| !writer.is_finished()) {
            assert!(scene.fresh() <= usize::from(MANY));
        }
    });
    scene.has_all(0..WRITERS * EACH * BATCH);
    scene.collection.compact().unwrap();
    let stats = scene.collection.stats().unwrap();
    let written = usize::from(WRITERS * EACH * BATCH);
    assert_eq!((stats.sealed, stats.fresh), (written, 0));
}

#[test]
fn nothing_waits_that_slows_no_search_or_shall_not_wait() {
    let never = || Options::default().pace_writes(Duration::ZERO);
    for (why, index, options, searched) in [
        ("no searches", GRAPH, Options::default(), false),
        ("all is compared", "Flat", Options::default(), true),
        ("few, so that all is compared", "auto", Options::default(), true),
        ("switched off", GRAPH, never(), true),
    ] {
        let scene = Scene::new(index, options);
        if searched {
            scene.search_on();
        }
        let held = scene.hold();
        for part in 0..4 {
            scene.write(part * MANY / 2..(part + 1) * MANY / 2).unwrap();
        }
        assert_eq!(scene.waits(), 0, "{why}");
        drop(held);
    }
}

#[test]
fn a_search_makes_writes_wait_and_deletions_not() {
    let scene = Scene::patient();
    let held = scene.hold();
    scene.write(0..MANY).unwrap();
    assert!(!scene.pace().is_searched());
    scene.collection.search(&Query::vector(vector(7))).unwrap();
    assert!(scene.pace().searched_until.load(Ordering::Relaxed) > 0);
    scene.search_on();
    scene.collection.delete(&[7.into()]).unwrap();
    let stored = scene.write(8..9).unwrap();
    assert_eq!((stored.unchanged, scene.waits()), (1, 0));
    drop(held);
}

#[test]
fn a_write_goes_on_when_there_is_nothing_more_to_wait_for() {
    let releases: [(&str, fn(&Scene, MutexGuard<'_, ()>, &Caller)); 5] = [
        ("compacted", |_, held, _| drop(held)),
        ("stopped", |scene, held, _| {
            scene.core().stopping.store(true, Ordering::Release);
            drop(held);
        }),
        ("another one builds", |scene, held, _| {
            scene.core().retraining.fetch_add(1, Ordering::SeqCst);
            drop(held);
        }),
        ("failed", |scene, held, _| {
            let folder = scene.folder.path();
            std::fs::rename(folder.join("c"), folder.join("moved")).unwrap();
            drop(held);
        }),
        ("panicked", |scene, held, _| {
            let panicked = thread::scope(|scope| {
                let compaction = scope.spawn(move || {
                    let _held = held;
                    panic!("made to panic");
                });
                compaction.join()
            });
            assert!(panicked.is_err());
            assert!(scene.core().compacting.is_poisoned());
        }),
    ];
    for (what, release) in releases {
        let scene = Scene::patient();
        let done = scene.released(|held, caller| release(&scene, held, caller));
        assert_eq!(done.unwrap().added, 1, "{what}");
        if what == "failed" {
            let folder = scene.folder.path();
            assert_eq!(scene.core().view.load().sealed_len(), 0);
            std::fs::rename(folder.join("moved"), folder.join("c")).unwrap();
        }
        scene.has_all(0..MANY + 1);
    }
}

#[test]
fn a_write_goes_on_during_a_compaction_when_nobody_searches_or_nobody_waits_for_it() {
    let releases: [fn(&Scene, &Caller); 2] = [
        |scene, _| scene.pace().searched_until.store(0, Ordering::Relaxed),
        |_, caller| caller.leave(),
    ];
    for release in releases {
        let scene = Scene::patient();
        let done = scene.released(|held, caller| {
            release(&scene, caller);
            while scene.fresh() == usize::from(MANY) {
                thread::yield_now();
            }
            drop(held);
        });
        assert_eq!(done.unwrap().added, 1);
        scene.has_all(0..MANY + 1);
    }
}

#[test]
fn a_write_that_waits_ends_with_its_collection() {
    let scene = Scene::patient();
    let dropped = scene.released(|held, _| {
        thread::scope(|scope| {
            let dropper = scope.spawn(|| scene.database.drop_collection("c"));
            while !scene.core().is_gone() {
                assert!(!dropper.is_finished(), "it was not dropped");
                thread::yield_now();
            }
            drop(held);
            dropper.join().unwrap().unwrap();
        });
    });
    assert!(matches!(dropped, Err(Error::Dropped { .. })), "{dropped:?}");
    assert!(scene.database.collections().unwrap().is_empty());
}
