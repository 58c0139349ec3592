//! What must not end in a memory error, whatever is done: mapped indexes, work that ends in the middle, files that were made
//! to do harm.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::fixtures::*;
use super::kinds::{DIMENSION, ROWS, built, every};
use crate::backend::faiss::{RawIndex, with_allocations};
use crate::index::Piece;
use crate::{Error, Foreign, IdSet, Index, Kind, Metric, SearchParams, Select, Stamp};
use crate::{keep_blas_threads, unwatched, with_threads};

fn kind(text: &str) -> Kind {
    text.parse().unwrap()
}

fn points() -> Vec<f32> {
    clustered(101, ROWS, DIMENSION, 8)
}

/// Each of these vectors is found as its own nearest by nearly all searches.
fn assert_usable(index: &Index, points: &[f32]) {
    let params = SearchParams {
        ef_search: Some(64),
        nprobe: Some(8),
        ..SearchParams::default()
    };
    let found = index.search(points, 1, &params, Select::All).unwrap();
    let right = found.iter().zip(index.ids());
    let right = right.filter(|(hits, id)| hits[0].id == **id).count();
    assert!(right * 10 >= index.len() * 9, "{right} of {}", index.len());
}

#[test]
fn a_mapped_index_takes_no_change_of_any_sort() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let points = points();
    let more = &points[..DIMENSION];
    for (kind, metric) in every().filter(|(_, metric)| *metric == Metric::L2) {
        let index = built(&kind, metric, &points);
        index.save(&path, &Stamp::default()).unwrap();
        let mut mapped = Index::load_mapped(&path, &Stamp::default()).unwrap();
        let mut piece = Some((vec![1_000_000], more.to_vec()));
        let refused = [
            mapped.add(&[1_000_000], more),
            mapped.add_pieces(1, &unwatched, || Ok::<_, Error>(piece.take())),
            mapped.train(&points),
            mapped.remove(&IdSet::from_iter([10])).map(drop),
            mapped.reach(0, &unwatched),
            mapped.reach(5, &unwatched),
        ];
        let read_only = |outcome: &Result<(), Error>| matches!(outcome, Err(Error::ReadOnly));
        assert!(refused.iter().all(read_only), "{kind}: {refused:?}");
        assert_eq!(mapped.ids(), index.ids(), "{kind}");
        assert_eq!(mapped.reached(), index.reached(), "{kind}");
    }
}

/// Panics at the n-th call.
fn panicking(n: usize) -> impl Fn(crate::Progress) -> ControlFlow<()> + Sync {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    move |_| {
        let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(call != n, "the watcher panics");
        ControlFlow::Continue(())
    }
}

/// Pieces of 400 vectors; panics in place of the n-th.
fn pieces(points: &[f32], n: usize) -> impl FnMut() -> Result<Option<Piece>, Error> + '_ {
    let all = ids(points.len() / DIMENSION);
    let mut given = 0;
    move || {
        assert!(given / 400 != n, "the source panics");
        let rows = given..(given + 400).min(all.len());
        given += 400;
        let vectors = || points[rows.start * DIMENSION..rows.end * DIMENSION].to_vec();
        Ok((!rows.is_empty()).then(|| (all[rows.clone()].to_vec(), vectors())))
    }
}

#[test]
fn a_panic_of_the_callers_leaves_an_index_that_can_be_built_anew() {
    let points = points();
    let all = ids(ROWS);
    for kind in ["HNSW8", "HNSW8,SQ8", "IVF8,Flat", "PCA8,IVF8,Flat"].map(kind) {
        for step in 0..4 {
            let mut index = Index::new(DIMENSION, Metric::L2, &kind).unwrap();
            let train = || index.train_with(&points, &panicking(step));
            match catch_unwind(AssertUnwindSafe(train)) {
                Ok(trained) => trained.unwrap(), // it has fewer steps
                Err(_) => assert!(!index.is_trained() && index.trained_on() == 0, "{kind}"),
            }
            assert!(step > 0 || index.is_trained() != kind.trains(), "{kind}");
        }
        for n in 0..3 {
            for of_watch in [false, true] {
                let mut index = Index::new(DIMENSION, Metric::L2, &kind).unwrap();
                index.train(&points).unwrap();
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    let (source, watcher) = if of_watch {
                        (usize::MAX, n)
                    } else {
                        (n, usize::MAX)
                    };
                    index.add_pieces(ROWS, &panicking(watcher), pieces(&points, source))
                }));
                assert!(panicked.is_err(), "{kind}: {n}, {of_watch}");
                assert!(index.is_empty() && index.reached() == 0, "{kind}");
                index.train(&points).unwrap();
                index.add(&all, &points).unwrap();
                assert_usable(&index, &points);
            }
        }
    }
}

#[test]
fn a_panic_while_vectors_are_looked_for_leaves_the_index_as_it_can_be_used() {
    let points = points();
    let mut index = Index::new(DIMENSION, Metric::L2, &Kind::hnsw(8)).unwrap();
    index.add(&ids(ROWS), &points).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| index.reach(0, &panicking(1))));
    assert!(panicked.is_err());
    assert_eq!((index.len(), index.reached()), (ROWS, 0));
    assert_usable(&index, &points);
    index.reach(0, &unwatched).unwrap();
}

/// Panics after so many bytes.
struct Breaking(usize);

impl std::io::Write for Breaking {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(data.len()).expect("the writer panics");
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Read for Breaking {
    fn read(&mut self, data: &mut [u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(data.len()).expect("the reader panics");
        data.fill(0);
        Ok(data.len())
    }
}

#[test]
fn a_panic_of_a_stream_goes_on_behind_faiss() {
    let index = built(&Kind::hnsw(8), Metric::L2, &points());
    for bytes in [0, 100, 50_000] {
        let panicked = catch_unwind(AssertUnwindSafe(|| index.raw().write(&mut Breaking(bytes))));
        assert!(panicked.is_err());
    }
    assert!(catch_unwind(|| RawIndex::read(&mut Breaking(2)).map(drop)).is_err());
}

/// A plain file of an index, in which numbers that searches go by are replaced: `found` is what stands there, at one place.
fn tampered(index: &Index, path: &Path, found: &[u8], instead: &[u8]) -> Index {
    index.export(path).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let places = || bytes.windows(found.len()).enumerate();
    let places: Vec<usize> = places()
        .filter_map(|(place, window)| (window == found).then_some(place))
        .collect();
    assert_eq!(places.len(), 1, "{}", index.kind());
    bytes[places[0]..places[0] + instead.len()].copy_from_slice(instead);
    std::fs::write(path, &bytes).unwrap();
    let foreign = Foreign::read(path).unwrap();
    foreign.into_index(index.metric(), index.ids()).unwrap()
}

#[test]
fn what_a_file_says_about_searching_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    let points = points();
    let same = |index: &Index, read: &Index| {
        let params = SearchParams {
            ef_search: Some(20),
            nprobe: Some(4),
            ..SearchParams::default()
        };
        let search = |index: &Index| index.search(&points, 10, &params, Select::All).unwrap();
        assert_eq!(search(read), search(index), "{}", index.kind());
    };
    let numbers = |numbers: &[u64]| {
        numbers
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect::<Vec<_>>()
    };
    // How many lists there are, then nprobe.
    let lists = [
        "IVF8,Flat",
        "IVF8,SQ8",
        "IVF8,PQ4x4",
        "IVF8,PQ4x4fs",
        "IVF8,PQ4x4fsr",
        "IVF8,RaBitQ",
    ];
    for kind in lists.map(kind) {
        let index = built(&kind, Metric::L2, &points);
        for nprobe in [0, 1 << 40, u64::MAX] {
            let read = tampered(&index, &path, &numbers(&[8, 1]), &numbers(&[8, nprobe]));
            same(&index, &read);
        }
    }
    // efConstruction, efSearch and a number that is not used any more.
    let breadths = |wide: i32| [wide, wide].map(i32::to_le_bytes).concat();
    let written = [40_i32, 16, 1].map(i32::to_le_bytes).concat();
    for kind in ["HNSW8", "HNSW8,PQ4x4", "IVF8_HNSW8,Flat"].map(kind) {
        let index = built(&kind, Metric::L2, &points);
        for wide in [0, -1, i32::MAX] {
            let mut read = tampered(&index, &path, &written, &breadths(wide));
            same(&index, &read);
            read.add(&[1_000_000], &points[..DIMENSION]).unwrap();
        }
    }
}

#[test]
fn what_a_file_says_about_codes_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    let points = points();
    let search = |index: &Index| {
        let params = SearchParams::default();
        index.search(&points, 10, &params, Select::All).unwrap()
    };
    // Of a product quantizer: its type of search, whether it encodes signs, and how far codes may be apart, before the ids.
    let index = built(&kind("PQ4x4"), Metric::L2, &points);
    let written = [
        &[0, 0, 0, 0, 0][..],
        &17_i32.to_le_bytes(),
        &(ROWS as u64).to_le_bytes(),
    ]
    .concat();
    for (search_type, signs) in [(1_i32, 1), (3, 7), (77, 0)] {
        let instead = [
            &search_type.to_le_bytes()[..],
            &[signs],
            &0_i32.to_le_bytes(),
        ]
        .concat();
        let read = tampered(&index, &path, &written, &instead);
        assert_eq!(search(&read), search(&index));
    }
    // Of lists with fast scan: the size of a block, how many sub-vectors there are, the implementation and its batches.
    let index = built(&kind("IVF8,PQ4x4fs"), Metric::L2, &points);
    let block = [&32_i32.to_le_bytes()[..], &4_u64.to_le_bytes()].concat();
    let written = [&block[..], &[0; 12]].concat();
    for (implem, batches) in [(10_i32, 0_u64), (99, 1 << 40), (0, 7)] {
        let instead = [&block[..], &implem.to_le_bytes(), &batches.to_le_bytes()].concat();
        let read = tampered(&index, &path, &written, &instead);
        assert_eq!(search(&read), search(&index));
    }
}

/// A file of ours with right sums, one number of which is wrong, read and mapped.
fn read_both_ways(bytes: &[u8]) -> [Result<(), Error>; 2] {
    use std::io::Write;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let read = RawIndex::read(&mut &bytes[..]).map(drop);
    [read, RawIndex::map(&file, 0).map(drop)]
}

fn payload(index: &Index) -> Vec<u8> {
    let mut bytes = Vec::new();
    index.raw().write(&mut bytes).unwrap().unwrap();
    bytes
}

#[test]
fn wrong_links_are_found_whatever_the_checksum_says() {
    let index = built(&Kind::hnsw(8), Metric::L2, &points());
    let whole = payload(&index);
    assert!(read_both_ways(&whole).iter().all(Result::is_ok));
    // The last of the offsets is how many links there are, as is the length of those that follow it.
    let number = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap());
    let least = 16 * ROWS as u64;
    let length = (0..whole.len() - 16)
        .step_by(8)
        .find(|&at| number(at) == number(at + 8) && (least..2 * least).contains(&number(at)));
    let links = (length.unwrap() + 16).next_multiple_of(64);
    let mut random = Random(7);
    for wrong in [i32::try_from(ROWS).unwrap(), i32::MAX, -2, i32::MIN] {
        for _ in 0..20 {
            let mut bytes = whole.clone();
            let link = links + 4 * random.below(16 * ROWS);
            bytes[link..link + 4].copy_from_slice(&wrong.to_le_bytes());
            let outcomes = read_both_ways(&bytes);
            let found = |outcome: &Result<(), Error>| matches!(outcome, Err(Error::Faiss { .. }));
            assert!(outcomes.iter().all(found), "{wrong}: {outcomes:?}");
        }
    }
}

#[test]
fn wrong_rows_of_lists_and_numbers_that_are_none_are_found() {
    let index = built(&kind("IVF8,Flat"), Metric::L2, &points());
    let whole = payload(&index);
    let replaced = |what: &[u8], instead: &[u8]| {
        let mut bytes = whole.clone();
        let place = bytes.windows(what.len()).position(|window| window == what);
        bytes[place.unwrap()..][..instead.len()].copy_from_slice(instead);
        read_both_ways(&bytes)
    };
    let vector = index.reconstruct(&[10]).unwrap()[0].clone().unwrap();
    let vector: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    let nan = replaced(&vector, &f32::NAN.to_le_bytes());
    assert!(nan.iter().all(Result::is_err), "{nan:?}");
    let rows: Vec<usize> = (0..whole.len() - 16)
        .step_by(8)
        .filter(|&at| whole[at..at + 16] == [7_i64.to_le_bytes(), [0; 8]].concat())
        .collect();
    assert!(rows.len() < 10, "{rows:?}");
    let mut random = Random(8);
    let mut refused = 0;
    for _ in 0..200 {
        let mut bytes = whole.clone();
        // Behind the centroids lie nothing but lists, the map of rows and the ids.
        let at = whole.len() / 2 / 8 * 8 + 8 * random.below(whole.len() / 16);
        bytes[at..at + 8].copy_from_slice(&i64::MAX.to_le_bytes());
        refused += usize::from(read_both_ways(&bytes).iter().all(Result::is_err));
    }
    assert!(refused > 20, "{refused}");
}

/// This test alone, in a process of its own, where `name` is set.
fn alone(test: &str, name: &str) -> Child {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program
        .args(["--exact", test, "--nocapture"])
        .env(name, "1");
    program.spawn().unwrap()
}

fn assert_ends(mut child: Child, within: Duration) {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return assert!(status.success(), "{status}");
        }
        if start.elapsed() > within {
            child.kill().unwrap();
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn memory_that_runs_out_while_a_graph_is_built_leaves_it_empty() {
    const ALONE: &str = "VINEDB_TEST_ALLOCATIONS";
    if std::env::var_os(ALONE).is_none() {
        let test = "tests::soundness::memory_that_runs_out_while_a_graph_is_built_leaves_it_empty";
        return assert_ends(alone(test, ALONE), Duration::from_secs(300));
    }
    let points = clustered(102, 600, DIMENSION, 4);
    let (some, more) = points.split_at(300 * DIMENSION);
    let all = ids(600);
    let (mut allowed, mut failed) = (0, 0);
    loop {
        let mut index = Index::new(DIMENSION, Metric::L2, &Kind::hnsw(8)).unwrap();
        index.add(&all[..300], some).unwrap();
        let added = with_threads(2, || {
            with_allocations(allowed, || index.add(&all[300..], more))
        });
        if added.is_ok() {
            break;
        }
        assert!(matches!(added, Err(Error::Faiss { .. })), "{added:?}");
        assert!(index.is_empty());
        with_threads(1, || {
            index.add(&all, &points).unwrap();
            assert_usable(&index, &points);
        });
        failed += 1;
        allowed += 1 + allowed / 3;
    }
    assert!(failed > 15, "{failed}");
}

#[test]
fn tables_of_searches_are_counted_and_go_with_what_they_were_for() {
    let points = points();
    let mut index = Index::new(DIMENSION, Metric::L2, &Kind::hnsw(8)).unwrap();
    index.add(&ids(ROWS), &points).unwrap();
    let before = index.memory_bytes();
    let params = SearchParams {
        ef_search: Some(20),
        ..SearchParams::default()
    };
    std::thread::scope(|scope| {
        for _ in 0..96 {
            scope.spawn(|| index.search(&points, 10, &params, Select::All).unwrap());
        }
    });
    let processors = std::thread::available_parallelism().unwrap().get();
    let tables = index.memory_bytes() - before;
    assert!(tables >= ROWS && tables <= processors * ROWS, "{tables}");
    index.add(&[1_000_000], &points[..DIMENSION]).unwrap();
    let fresh = index.try_clone().unwrap();
    assert_eq!(index.memory_bytes(), fresh.memory_bytes());
}

#[test]
fn threads_of_blas_are_left_alone_where_that_is_asked_for_in_time() {
    const ALONE: &str = "VINEDB_TEST_BLAS";
    if std::env::var_os(ALONE).is_none() {
        let test =
            "tests::soundness::threads_of_blas_are_left_alone_where_that_is_asked_for_in_time";
        return assert_ends(alone(test, ALONE), Duration::from_secs(60));
    }
    assert!(keep_blas_threads());
    built(&Kind::flat(), Metric::L2, &points());
    assert!(!keep_blas_threads());
}
