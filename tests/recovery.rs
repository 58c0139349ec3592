//! What opening finds on disk: index files lost, cut, damaged or of another origin, strays, and a write-ahead log.
//!
//! Whatever becomes of an index file, the answers are the same as before, there is one warning at most, and a writer makes it
//! anew while a reader leaves the folder alone.

mod handles;
mod readers;
mod threads;

use std::{fs, path::Path};
use vinedb_tests::GRAPH;

use vinedb::{Filter, Key, Metric, Query};

use crate::sample::{
    Rng, answers, config, copy, documents, eventually, index_file, names, reader, vector, warnings,
    writer,
};

const NAME: &str = "c";

/// A database as a crash leaves it: sealed rows, newer rows and deletions in the -wal file, and the answers to expect.
struct Sample {
    dir: tempfile::TempDir,
    answers: Vec<Vec<(String, f32)>>,
}

impl Sample {
    fn new() -> Self {
        let live = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let db = writer(live.path());
        let collection = db
            .create_collection(NAME, config(GRAPH, Metric::L2))
            .unwrap();
        collection.upsert(documents(0..300, 0)).unwrap();
        collection.compact().unwrap();
        collection.upsert(documents(280..340, 1)).unwrap();
        let deleted: Vec<Key> = (0..340)
            .step_by(7)
            .map(|key| format!("d{key}").into())
            .collect();
        collection.delete(&deleted).unwrap();
        copy(live.path(), dir.path());
        let answers = answers(&collection);
        assert!(
            fs::metadata(dir.path().join(NAME).join("documents.sqlite-wal"))
                .unwrap()
                .len()
                > 0
        );
        Self { dir, answers }
    }

    /// Damages a copy of it, and opens that in both ways.
    fn survives(&self, what: &str, expected_warnings: usize, damage: impl FnOnce(&Path)) {
        let work = tempfile::tempdir().unwrap();
        let dir = work.path().join("db");
        copy(self.dir.path(), &dir);
        let folder = dir.join(NAME);
        damage(&folder);
        self.survives_reading(what, expected_warnings, &dir);
        self.survives_writing(what, expected_warnings, &dir);
    }

    fn survives_reading(&self, what: &str, expected_warnings: usize, dir: &Path) {
        let indexes = |dir: &Path| -> Vec<String> {
            let names = names(&dir.join(NAME));
            names
                .into_iter()
                .filter(|name| name.contains("index-"))
                .collect()
        };
        let before = indexes(dir);
        let ((), warned) = warnings(|| {
            let collection = reader(dir).collection(NAME).unwrap();
            for _ in 0..2 {
                assert_eq!(answers(&collection), self.answers, "{what}: a reader");
            }
        });
        assert_eq!(warned, expected_warnings, "{what}: a reader's warnings");
        assert_eq!(indexes(dir), before, "{what}: a reader changes nothing");
    }

    fn survives_writing(&self, what: &str, expected_warnings: usize, dir: &Path) {
        let folder = dir.join(NAME);
        let db = writer(dir);
        let (collection, warned) = warnings(|| {
            let collection = db.collection(NAME).unwrap();
            assert_eq!(answers(&collection), self.answers, "{what}: at once");
            collection
        });
        assert_eq!(warned, expected_warnings, "{what}: warnings");
        eventually(what, || {
            collection
                .stats()
                .unwrap()
                .local
                .expect("the index is in this process")
                .index
                .is_some()
        });
        assert_eq!(answers(&collection), self.answers, "{what}: made anew");
        drop(collection);
        db.close().unwrap();
        assert_eq!(
            names(&folder),
            ["documents.sqlite".to_owned(), index_name(&folder)],
            "{what}"
        );
        let db = writer(dir);
        let (collection, warned) = warnings(|| db.collection(NAME).unwrap());
        assert_eq!(
            (answers(&collection), warned),
            (self.answers.clone(), 0),
            "{what}: afterwards"
        );
        assert!(
            collection
                .stats()
                .unwrap()
                .local
                .expect("the index is in this process")
                .index
                .is_some(),
            "{what}"
        );
    }
}

fn index_name(folder: &Path) -> String {
    index_file(folder)
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_sound_index_file_is_taken_without_a_warning() {
    Sample::new().survives("nothing happened", 0, |_| ());
}

#[test]
fn a_missing_index_file_is_made_anew() {
    let sample = Sample::new();
    sample.survives("missing", 1, |folder| {
        fs::remove_file(index_file(folder)).unwrap()
    });
    sample.survives("a text in its place", 1, |folder| {
        fs::write(index_file(folder), "no index").unwrap()
    });
}

#[test]
fn a_truncated_index_file_is_made_anew() {
    let sample = Sample::new();
    let length = fs::metadata(index_file(&sample.dir.path().join(NAME)))
        .unwrap()
        .len();
    for kept in [0, 1, 8, 15, 16, 40, 100, length / 2, length - 1] {
        sample.survives(&format!("{kept} of {length} bytes"), 1, |folder| {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(index_file(folder))
                .unwrap();
            file.set_len(kept).unwrap();
        });
    }
    sample.survives("a byte too many", 1, |folder| {
        let path = index_file(folder);
        let mut bytes = fs::read(&path).unwrap();
        bytes.push(0);
        fs::write(&path, bytes).unwrap();
    });
}

#[test]
fn a_flipped_bit_in_the_index_file_is_noticed() {
    let sample = Sample::new();
    let mut rng = Rng(11);
    let length = fs::metadata(index_file(&sample.dir.path().join(NAME)))
        .unwrap()
        .len();
    let length = usize::try_from(length).unwrap();
    let in_header = (0..60).map(|_| rng.place(120)).collect::<Vec<_>>();
    let anywhere = (0..140).map(|_| rng.place(length)).collect::<Vec<_>>();
    for place in in_header.into_iter().chain(anywhere) {
        let bit = 1_u8 << rng.below(8);
        sample.survives(&format!("byte {place} of {length} ^ {bit}"), 1, |folder| {
            let path = index_file(folder);
            let mut bytes = fs::read(&path).unwrap();
            bytes[place] ^= bit;
            fs::write(&path, bytes).unwrap();
        });
    }
}

/// Of the same configuration, the same counters and the same ids, and other vectors: only its origin tells.
#[test]
fn the_index_file_of_another_collection_is_not_taken() {
    let sample = Sample::new();
    let other = tempfile::tempdir().unwrap();
    let db = writer(other.path());
    let collection = db
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    collection.upsert(documents(0..300, 9)).unwrap();
    collection.compact().unwrap();
    let foreign = index_file(&other.path().join(NAME));
    sample.survives("another collection's", 1, |folder| {
        fs::copy(&foreign, index_file(folder)).unwrap();
    });
}

#[test]
fn the_index_file_of_an_older_generation_is_not_taken() {
    let sample = Sample::new();
    let dir = tempfile::tempdir().unwrap();
    copy(sample.dir.path(), dir.path());
    let folder = dir.path().join(NAME);
    let older = fs::read(index_file(&folder)).unwrap();
    let db = writer(dir.path());
    db.collection(NAME).unwrap().compact().unwrap();
    drop(db);
    let newer = Sample {
        dir,
        answers: sample.answers.clone(),
    };
    newer.survives("an older generation's", 1, |folder| {
        fs::write(index_file(folder), &older).unwrap();
    });
}

#[test]
fn stray_files_go_when_a_writer_opens() {
    Sample::new().survives("strays", 0, |folder| {
        for name in [
            "index-999",
            "index-2-00ff",
            ".index-2-00ff.aBc123.tmp",
            ".index-7.x.tmp",
        ] {
            fs::write(folder.join(name), "left by a crash").unwrap();
        }
    });
}

/// A collection that was emptied, so that there is nothing to make an index of.
#[test]
fn a_lost_index_of_no_documents_warns_once_and_never_again() {
    let dir = tempfile::tempdir().unwrap();
    let collection = writer(dir.path())
        .create_collection(NAME, config(GRAPH, Metric::L2))
        .unwrap();
    collection.upsert(documents(0..50, 0)).unwrap();
    collection.compact().unwrap();
    collection.delete_matching(&Filter::exists("key")).unwrap();
    collection.compact().unwrap();
    drop(collection);
    fs::remove_file(index_file(&dir.path().join(NAME))).unwrap();
    for expected in [1, 0] {
        let db = writer(dir.path());
        let (collection, warned) = warnings(|| db.collection(NAME).unwrap());
        assert_eq!(warned, expected);
        eventually("an index of nothing", || {
            collection
                .stats()
                .unwrap()
                .local
                .expect("the index is in this process")
                .index
                .is_some()
        });
        assert!(
            collection
                .search(&Query::vector(vector(1)))
                .unwrap()
                .matches
                .is_empty()
        );
    }
}

/// Enough rows for a compaction, and no write that would start it.
#[test]
fn rows_that_a_crash_left_unsealed_are_sealed_after_opening() {
    let dir = tempfile::tempdir().unwrap();
    let live = tempfile::tempdir().unwrap();
    let collection = writer(live.path())
        .create_collection(NAME, config("Flat", Metric::L2))
        .unwrap();
    for batch in 0..5 {
        collection
            .upsert(documents(batch * 1_000..(batch + 1) * 1_000, 0))
            .unwrap();
        if batch == 3 {
            copy(live.path(), dir.path());
        }
    }
    let short = writer(dir.path());
    assert_eq!(
        short
            .collection(NAME)
            .unwrap()
            .stats()
            .unwrap()
            .local
            .unwrap()
            .index,
        None,
        "4,000 are few"
    );
    drop((short, collection));
    let collection = writer(live.path()).collection(NAME).unwrap();
    eventually("5,000 rows are sealed", || {
        collection
            .stats()
            .unwrap()
            .local
            .expect("the index is in this process")
            .sealed
            == 5_000
    });
}
