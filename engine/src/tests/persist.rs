//! Files: what was saved comes back; what was damaged never does, whatever the damage; nothing is left behind.

use std::fs;
use std::path::Path;

use super::fixtures::*;
use crate::backend::Backend;
use crate::{Error, Index, Kind, Metric, SearchParams, Select, Stamp};

const DIMENSION: usize = 12;

fn stamp() -> Stamp {
    Stamp {
        config: 7,
        generation: 3,
        sequence: 99,
        last_id: 10 + 3 * 399,
    }
}

/// One of each kind, in a folder.
fn saved(folder: &Path) -> Vec<(Index, std::path::PathBuf)> {
    let points = clustered(31, 400, DIMENSION, 6);
    let points = &points;
    let indexes = METRICS.into_iter().flat_map(|metric| {
        let build = move |kind| build(metric, &kind, DIMENSION, points);
        kinds().into_iter().map(build)
    });
    indexes
        .enumerate()
        .map(|(number, index)| {
            let path = folder.join(format!("index-{number}"));
            index.save(&path, &stamp()).unwrap();
            (index, path)
        })
        .collect()
}

fn is_corrupt(outcome: &Result<Index, Error>) -> bool {
    matches!(outcome, Err(Error::CorruptIndex { .. }))
}

#[test]
fn what_was_saved_comes_back_and_grows_on() {
    let folder = tempfile::tempdir().unwrap();
    let queries = clustered(32, 30, DIMENSION, 6);
    for (index, path) in saved(folder.path()) {
        let mut loaded = Index::load(&path, &stamp()).unwrap();
        assert_eq!(
            (loaded.kind(), loaded.metric(), loaded.dimension()),
            (index.kind(), index.metric(), DIMENSION)
        );
        assert_eq!(loaded.ids(), index.ids());
        assert!(loaded.is_trained());
        for params in [
            SearchParams::default(),
            SearchParams {
                exact: true,
                ..SearchParams::default()
            },
        ] {
            let before = index.search(&queries, 6, &params, Select::All).unwrap();
            assert_eq!(
                loaded.search(&queries, 6, &params, Select::All).unwrap(),
                before,
                "{index:?}"
            );
        }
        assert_eq!(
            loaded.scan(&queries[..DIMENSION], 9, &[10, 40]).unwrap(),
            index.scan(&queries[..DIMENSION], 9, &[10, 40]).unwrap()
        );
        loaded.add(&[5000], &queries[..DIMENSION]).unwrap();
        let hits = loaded
            .search(
                &queries[..DIMENSION],
                401,
                &SearchParams::default(),
                Select::All,
            )
            .unwrap();
        assert!(hits[0].iter().any(|hit| hit.id == 5000));
    }
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        names.len(),
        METRICS.len() * kinds().len(),
        "nothing but the indexes: {names:?}"
    );
}

#[test]
fn an_empty_index_comes_back_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    for kind in kinds() {
        Index::new(3, Metric::L2, &kind)
            .unwrap()
            .save(&path, &stamp())
            .unwrap();
        let mut loaded = Index::load(&path, &stamp()).unwrap();
        assert!(loaded.is_empty() && *loaded.kind() == kind);
        assert_eq!(loaded.is_trained(), !kind.trains());
        let points = clustered(33, 400, 3, 6);
        loaded.train(&points).unwrap();
        loaded.add(&ids(400), &points).unwrap();
        assert_eq!(
            loaded
                .search(&points[..3], 1, &SearchParams::default(), Select::All)
                .unwrap()[0]
                .len(),
            1
        );
    }
}

#[test]
fn saving_replaces_and_failing_to_save_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let small = build(Metric::L2, &Kind::flat(), 2, &[0.0; 20]);
    let large = build(Metric::L2, &Kind::flat(), 2, &[0.0; 200]);
    large.save(&path, &stamp()).unwrap();
    small.save(&path, &stamp()).unwrap();
    assert_eq!(Index::load(&path, &stamp()).unwrap().len(), 10);

    // A folder cannot be replaced by a file: writing succeeds, the rename does not.
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("file"), "").unwrap();
    let error = small.save(&taken, &stamp()).unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if *path == taken),
        "{error}"
    );

    let missing = folder.path().join("no/such/folder/index");
    let error = small.save(&missing, &stamp()).unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if *path == missing),
        "{error}"
    );
    assert!(error.to_string().contains("no/such/folder"), "{error}");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "no temporary file is left"
    );
}

#[test]
fn a_missing_file_is_an_io_error_and_another_state_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    assert!(matches!(
        Index::load(&path, &stamp()),
        Err(Error::Io { .. })
    ));
    assert!(matches!(
        Index::load(folder.path(), &stamp()),
        Err(Error::Io { .. })
    ));
    build(Metric::L2, &Kind::flat(), 2, &[0.0; 20])
        .save(&path, &stamp())
        .unwrap();
    for other in [
        Stamp {
            config: 8,
            ..stamp()
        },
        Stamp {
            generation: 4,
            ..stamp()
        },
        Stamp {
            sequence: 98,
            ..stamp()
        },
        Stamp {
            last_id: 1,
            ..stamp()
        },
    ] {
        let outcome = Index::load(&path, &other);
        assert!(
            matches!(&outcome, Err(Error::StaleIndex { expected, found, .. }) if *expected == other && *found == stamp()),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    let mut random = Random(34);
    for (_, path) in saved(folder.path()) {
        let whole = fs::read(&path).unwrap();
        // All of the header's bytes and the first of FAISS's, then some anywhere.
        let places = (0..260)
            .chain((0..60).map(|_| random.below(whole.len())))
            .collect::<Vec<_>>();
        for place in places {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << random.below(8);
            fs::write(&damaged, &bytes).unwrap();
            let outcome = Index::load(&damaged, &stamp());
            assert!(is_corrupt(&outcome), "byte {place}: {outcome:?}");
        }
    }
}

#[test]
fn a_file_cut_short_or_grown_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    for (_, path) in saved(folder.path()).into_iter().take(kinds().len()) {
        let whole = fs::read(&path).unwrap();
        let cuts = (0..300)
            .chain((300..whole.len()).step_by(whole.len() / 50))
            .chain([whole.len() - 1]);
        for cut in cuts {
            fs::write(&damaged, &whole[..cut]).unwrap();
            let outcome = Index::load(&damaged, &stamp());
            assert!(is_corrupt(&outcome), "cut to {cut}: {outcome:?}");
        }
        for extra in [1, 8, 5000] {
            fs::write(&damaged, [&whole[..], &vec![0; extra]].concat()).unwrap();
            assert!(is_corrupt(&Index::load(&damaged, &stamp())));
        }
        // Two halves of a file of the right length, in the wrong order; zeros; text.
        let half = whole.len() / 2;
        for bytes in [
            [&whole[half..], &whole[..half]].concat(),
            vec![0; whole.len()],
            b"VINEDBIX".repeat(whole.len() / 8),
        ] {
            fs::write(&damaged, bytes).unwrap();
            assert!(is_corrupt(&Index::load(&damaged, &stamp())));
        }
    }
}

#[test]
fn a_header_of_another_index_is_found_though_both_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<Vec<u8>> = saved(folder.path())
        .iter()
        .map(|(_, path)| fs::read(path).unwrap())
        .collect();
    let damaged = folder.path().join("damaged");
    let header =
        |bytes: &[u8]| 16 + u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize + 8;
    for (one, two) in files.iter().zip(files.iter().skip(1)) {
        fs::write(
            &damaged,
            [&one[..header(one)], &two[header(two)..]].concat(),
        )
        .unwrap();
        assert!(is_corrupt(&Index::load(&damaged, &stamp())));
    }
}

#[test]
fn what_fails_to_be_written_says_so_and_what_faiss_wrote_is_faiss_own() {
    /// Full after some bytes, as a disk is.
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            let taken = data.len().min(self.0);
            self.0 -= taken;
            if taken == 0 {
                Err(std::io::ErrorKind::StorageFull.into())
            } else {
                Ok(taken)
            }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for kind in kinds() {
        let index = build(
            Metric::L2,
            &kind,
            DIMENSION,
            &clustered(35, 400, DIMENSION, 6),
        );
        let mut bytes = Vec::new();
        index.raw().write(&mut bytes).unwrap().unwrap();
        assert_eq!(
            bytes.starts_with(b"IxMp"),
            !Backend::is_ours(&bytes),
            "{kind}: FAISS's mark of an index with an id map"
        );
        for room in [0, 1, 40, bytes.len() / 2, bytes.len() - 1] {
            let error = index.raw().write(&mut Full(room)).unwrap().unwrap_err();
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::StorageFull,
                "{kind} with room for {room}"
            );
        }
        index.raw().write(&mut Full(bytes.len())).unwrap().unwrap();
    }
}
