//! Memory that runs out at any step of a build: FAISS's and the shim's allocations fail, one after the other, in processes of
//! their own. Each time it is an error, never the end of the process nor a lock that stays held, and what is left is an
//! index that answers soundly or an empty one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::fixtures::*;
use crate::{Error, Index, Kind, Metric, Result, SearchParams, Select, Stamp, unwatched};

const DIMENSION: usize = 16;
const ROWS: usize = 1_200;
/// Names the kind in a process that is to build an index of it.
const CHILD: &str = "VINEDB_MEMORY_CHILD";
const TEST: &str = "tests::memory::memory_that_runs_out_at_any_step_is_an_error";

/// What a failed step may return.
fn ran_out<T>(step: &str, done: Result<T>) -> Option<T> {
    match done {
        Ok(value) => Some(value),
        Err(Error::Faiss { .. } | Error::CorruptIndex { .. } | Error::BadForeign { .. }) => None,
        Err(error) => panic!("{step}: {error}"),
    }
}

/// The search itself may be what fails, once or twice.
fn assert_searchable(index: &Index, points: &[f32], step: &str) {
    for params in [SearchParams::DEFAULT, SearchParams::EXACT] {
        for _ in 0..3 {
            let found = index.search(&points[..2 * DIMENSION], 5, &params, Select::All);
            for hits in ran_out(step, found).unwrap_or_default() {
                assert_sound(index, &hits, index.len().min(5), step);
            }
        }
    }
}

/// Does it again where memory ran out: no more than some allocations in a row fail.
fn until_done(
    step: &str,
    index: &mut Index,
    points: &[f32],
    mut work: impl FnMut(&mut Index) -> Result<()>,
) {
    for _ in 0..8 {
        if ran_out(step, work(index)).is_some() {
            assert_searchable(index, points, step);
            return;
        }
        assert_searchable(index, points, step);
    }
    panic!("{step} fails with memory at hand");
}

/// Every step of a build, each repeated after it failed.
fn build_all(kind: &Kind) {
    let points = clustered(111, ROWS, DIMENSION, 9);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let all = ids(ROWS);
    let first = if kind.can_grow() { ROWS / 3 } else { ROWS };
    let new = || (0..8).find_map(|_| ran_out("create", Index::new(DIMENSION, Metric::L2, kind)));
    let mut index = new().unwrap();
    until_done("train", &mut index, &points, |index| index.train(&points));
    // What fails leaves an empty index: then everything is added.
    until_done("add", &mut index, &points, |index| {
        index.train(&points)?;
        index.add(&all[..first], &points[..first * DIMENSION])
    });
    if kind.can_grow() {
        until_done("add in pieces", &mut index, &points, |index| {
            index.train(&points)?;
            let from = index.len();
            let mut pieces = all[from..]
                .chunks(250)
                .zip(points[from * DIMENSION..].chunks(250 * DIMENSION));
            index.add_pieces(ROWS - from, &unwatched, || {
                Ok::<_, Error>(
                    pieces
                        .next()
                        .map(|(ids, vectors)| (ids.to_vec(), vectors.to_vec())),
                )
            })
        });
    }
    assert_eq!(index.ids(), all);
    until_done("reach", &mut index, &points, |index| {
        index.reach(0, &unwatched)
    });
    until_done("copy", &mut index, &points, |index| {
        index.try_clone().map(|copy| *index = copy)
    });
    until_done("save", &mut index, &points, |index| {
        index.save(&path, &Stamp::default())
    });
    for load in [Index::load, Index::load_mapped] {
        until_done("load", &mut index, &points, |index| {
            load(&path, &Stamp::default()).map(|loaded| *index = loaded)
        });
    }
    assert_eq!(index.ids(), all);
}

/// The library that has operator new fail.
fn failing_new(folder: &Path) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/failing_new.cpp");
    let library = folder.join("failing_new.so");
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let compiled = Command::new(compiler)
        .args(["-std=c++17", "-O1", "-shared", "-fPIC", source, "-o"])
        .arg(&library)
        .status();
    assert!(compiled.unwrap().success(), "{source} does not compile");
    library
}

/// How often a process called operator new that builds an index of this kind, while these of its calls failed.
fn calls(library: &Path, kind: &str, first: usize, last: usize) -> usize {
    let count = library.with_extension("count");
    let context = format!("{kind}, allocations {first} to {last} fail");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, kind)
        .env("LD_PRELOAD", library)
        .env("VINEDB_FAIL_FIRST", first.to_string())
        .env("VINEDB_FAIL_LAST", last.to_string())
        .env("VINEDB_FAIL_COUNT", &count)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{context}: it hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{context}: {}\n{said}",
        output.status
    );
    std::fs::read_to_string(count).unwrap().parse().unwrap()
}

#[test]
fn memory_that_runs_out_at_any_step_is_an_error() {
    if let Some(kind) = std::env::var_os(CHILD) {
        return match kind.to_str() {
            Some("") => {}
            kind => build_all(&kind.unwrap().parse().unwrap()),
        };
    }
    const KINDS: [&str; 4] = ["Flat", "HNSW8", "PCA8,HNSW8,RFlat", "IVF16,Flat"];
    let folder = tempfile::tempdir().unwrap();
    let library = failing_new(folder.path());
    let start = calls(&library, "", 0, 0);
    let mut random = Random(112);
    for kind in KINDS {
        let all = calls(&library, kind, 0, 0) - start;
        assert!(all > 100, "{kind}: {all} allocations");
        for _ in 0..8 {
            // Half of them among the first, which are the fewest and the longest lived.
            let within = [all, all.min(400)][random.below(2)];
            let first = start + 1 + random.below(within);
            let last = first + [0, 4][random.below(2)];
            calls(&library, kind, first, last);
        }
    }
}
