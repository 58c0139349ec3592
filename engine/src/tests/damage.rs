//! Damaged index files of every kind. Damage that the checksums tell of is found before FAISS sees it; behind checksums that
//! are right, as whoever makes a file can have them, it is refused, or leaves an index that answers with rows of its own.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use xxhash_rust::xxh3::xxh3_64;

use super::fixtures::*;
use crate::{Error, Hit, Index, Kind, Metric, SearchParams, Select, Stamp};

const FLIPS: usize = 10_000;

#[test]
fn ten_thousand_damaged_bytes_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let kinds = catalogue();
    let mut random = Random(71);
    for kind in &kinds {
        let rows = kind.min_vectors(16).max(200);
        let index = build(Metric::L2, kind, 16, &clustered(72, rows, 16, 5));
        index.save(&path, &Stamp::default()).unwrap();
        let whole = fs::read(&path).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for _ in 0..FLIPS.div_ceil(kinds.len()) {
            // Every second one in the header and the beginning of FAISS's bytes, where lengths and types are.
            let within = [whole.len(), whole.len().min(400)][random.below(2)];
            let place = random.below(within);
            let change = u8::try_from(1 + random.below(255)).unwrap();
            let at = place as u64;
            file.write_all_at(&[whole[place] ^ change], at).unwrap();
            let outcome = Index::load(&path, &Stamp::default());
            let found = matches!(outcome, Err(Error::CorruptIndex { .. }));
            assert!(found, "{kind}, byte {place} ^ {change}: {outcome:?}");
            file.write_all_at(&whole[place..=place], at).unwrap();
        }
        (&file).flush().unwrap();
        let mended = Index::load(&path, &Stamp::default()).unwrap();
        assert_eq!(mended.ids(), index.ids(), "{kind}");
    }
}

/// Where the header of an index file ends, behind magic, version and its length; its own checksum follows.
fn header_end(file: &[u8]) -> usize {
    16 + u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize
}

/// Where the header of a sound file has the payload's length and, behind it, its checksum.
fn sums_at(whole: &[u8]) -> usize {
    let end = header_end(whole);
    let payload = &whole[end + 8..];
    let sums = [payload.len() as u64, xxh3_64(payload)].map(u64::to_le_bytes);
    let mut places = whole[..end].windows(16);
    places
        .position(|bytes| bytes == sums.as_flattened())
        .unwrap()
}

/// The file with checksums that are right.
fn sealed(mut file: Vec<u8>, sums_at: usize) -> Vec<u8> {
    let end = header_end(&file);
    let payload = &file[end + 8..];
    let sums = [payload.len() as u64, xxh3_64(payload)].map(u64::to_le_bytes);
    file[sums_at..sums_at + 16].copy_from_slice(sums.as_flattened());
    let checksum = xxh3_64(&file[..end]);
    file[end..end + 8].copy_from_slice(&checksum.to_le_bytes());
    file
}

/// One change to the payload: a bit, a byte, the end cut off, or four bytes as numbers that FAISS gives a meaning to.
fn damaged(whole: &[u8], random: &mut Random) -> (Vec<u8>, String) {
    let first = header_end(whole) + 8;
    let within = [whole.len(), whole.len().min(first + 300)][random.below(2)];
    let place = first + random.below(within - first);
    let mut file = whole.to_vec();
    match random.below(8) {
        0 => file.truncate(place),
        1..4 => file[place] ^= 1 << random.below(8),
        4..6 => file[place] = u8::try_from(random.below(256)).unwrap(),
        _ => {
            let numbers = [
                -1,
                0,
                1,
                i32::MAX,
                i32::MIN,
                0x7fc0_0000,
                0x7f80_0000,
                65_536,
            ];
            let number = numbers[random.below(numbers.len())].to_le_bytes();
            let end = (place + 4).min(file.len());
            file[place..end].copy_from_slice(&number[..end - place]);
        }
    }
    let what = format!("byte {place} of {}, now {} bytes", whole.len(), file.len());
    (sealed(file, sums_at(whole)), what)
}

/// Rows that the index has, each once. Damaged numbers may lie farther away than a number can tell: there are fewer then.
fn assert_of_index(index: &Index, hits: &[Hit], k: usize, context: &str) {
    let mut ids: Vec<i64> = hits.iter().map(|hit| hit.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let inside = ids.iter().all(|id| index.ids().binary_search(id).is_ok());
    let once = ids.len() == hits.len() && hits.len() <= k.min(index.len());
    assert!(inside && once, "{context}: {hits:?}");
}

/// What was loaded in spite of damage is searched in every way; true if it was refused.
fn is_refused_or_searched(path: &Path, kind: &Kind, points: &[f32], context: &str) -> bool {
    let loaded = [
        Index::load(path, &Stamp::default()),
        Index::load_mapped(path, &Stamp::default()),
    ];
    let mut refused = 0;
    for index in loaded {
        let index = match index {
            Ok(index) => index,
            Err(error) => {
                assert!(
                    matches!(error, Error::CorruptIndex { .. }),
                    "{context}: {error}"
                );
                refused += 1;
                continue;
            }
        };
        assert_eq!(index.kind(), kind, "{context}");
        for params in [SearchParams::DEFAULT, SearchParams::EXACT] {
            for k in [1, 10, 1_000] {
                let found = index.search(&points[..3 * 16], k, &params, Select::All);
                for hits in found.unwrap_or_else(|error| panic!("{context}: {error}")) {
                    assert_of_index(&index, &hits, k, context);
                }
            }
        }
        if kind.can_reconstruct() {
            index.reconstruct(&[10, 13, 16]).unwrap();
        }
    }
    assert!(
        refused != 1,
        "{context}: refused by one of load and load_mapped"
    );
    refused == 2
}

/// Damaged lengths can have FAISS ask for all the memory there is: this runs in a process that may have a part of it.
#[test]
fn damage_behind_right_checksums_is_refused_or_harmless() {
    const CHILD: &str = "VINEDB_DAMAGE_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return damage_every_kind();
    }
    let this = std::env::current_exe().unwrap();
    let test = "tests::damage::damage_behind_right_checksums_is_refused_or_harmless";
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 4000000; exec \"$0\" \"$@\""])
        .arg(this)
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

fn damage_every_kind() {
    const CHANGES: usize = 25;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let mut random = Random(73);
    for kind in catalogue() {
        let rows = kind.min_vectors(16).max(200);
        let points = clustered(74, rows, 16, 5);
        let index = build(Metric::L2, &kind, 16, &points);
        index.save(&path, &Stamp::default()).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut refused = 0;
        for _ in 0..CHANGES {
            let (file, what) = damaged(&whole, &mut random);
            fs::write(&path, file).unwrap();
            let context = format!("{kind}, {what}");
            // The last line of a process that dies names what it died of.
            eprintln!("{context}");
            refused += usize::from(is_refused_or_searched(&path, &kind, &points, &context));
        }
        assert!((1..CHANGES).contains(&refused), "{kind}: {refused} refused");
    }
}
