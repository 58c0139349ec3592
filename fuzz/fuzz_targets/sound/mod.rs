//! Sound indexes of many kinds to damage, and what must hold of any index that was read nevertheless.

use std::path::Path;
use std::sync::OnceLock;

use engine::{Hit, Index, Kind, Metric, SearchParams, Select, Stamp};
use xxhash_rust::xxh3::xxh3_64;

const DIMENSION: usize = 8;
/// Magic, version, length of the header.
pub const PREFIX: usize = 16;
pub const CHECKSUM: usize = 8;

const KINDS: &str = "Flat SQ8 SQ4 SQfp16 PQ4x4 PQ4x4fs RaBitQ LSH LSH12rt HNSW4 HNSW4,SQ8 HNSW4,PQ4x4 NSG4 IVF4,Flat IVF4,SQ8 \
    IVF4,PQ4x4 IVF4,PQ4x4fs IVF4,PQ4x4fsr IVF4,RaBitQ IVF4_HNSW4,Flat IVF4_HNSW4,PQ4x4fs PCA4,Flat L2norm,HNSW4 RR8,SQ8 \
    ITQ,LSH Pad12,SQ8 PQ4x4,RFlat HNSW4,SQ4,RFlat hnsw_rs(m=4,ef_construction=20)";

fn points(rows: usize) -> Vec<f32> {
    let numbers = 0..rows * DIMENSION;
    numbers.map(|i| ((i * 7_919 + i * i % 104_729) % 1_009) as f32 / 100.0).collect()
}

fn built(kind: &Kind) -> Index {
    let rows = kind.min_vectors(DIMENSION).max(60);
    let ids: Vec<i64> = (0..).take(rows).collect();
    let mut index = Index::new(DIMENSION, Metric::L2, kind).expect("a kind");
    index.train(&points(rows)).expect("enough to train on");
    index.add(&ids, &points(rows)).expect("vectors");
    index
}

/// The bytes of one file of each kind that `write` can write.
fn written(write: impl Fn(&Index, &Path) -> engine::Result<()>) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("index");
    let kinds = KINDS.split_whitespace();
    let kinds = kinds.map(|kind| kind.parse().expect("a kind"));
    let indexes = kinds.map(|kind| built(&kind));
    let files = indexes.filter_map(|index| write(&index, &path).ok().map(|()| std::fs::read(&path).expect("the file")));
    files.collect()
}

/// Index files of our own.
pub fn own() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| written(|index, path| index.save(path, &Stamp::default())))
}

/// Plain files of FAISS's.
pub fn foreign() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| written(|index, path| index.export(path)))
}

/// Where the header of an index file ends.
pub fn header_end(file: &[u8]) -> usize {
    PREFIX + u32::from_le_bytes(file[12..PREFIX].try_into().expect("four bytes")) as usize
}

fn sums(payload: &[u8]) -> [u8; 16] {
    let both = [payload.len() as u64, xxh3_64(payload)].map(u64::to_le_bytes);
    both.concat().try_into().expect("two numbers of eight bytes")
}

/// Where the header of a sound file has the payload's length and, behind it, its checksum.
pub fn sums_at(sound: &[u8]) -> usize {
    let end = header_end(sound);
    let wanted = sums(&sound[end + CHECKSUM..]);
    let place = sound[..end].windows(16).position(|bytes| bytes == wanted);
    place.expect("a header tells the payload's length and checksum")
}

/// Writes the right checksums into a file: of the payload, if the header is long enough to have it, and of the header.
pub fn seal(file: &mut [u8], end: usize, sums_at: usize) {
    if sums_at + 16 <= end {
        let right = sums(&file[end + CHECKSUM..]);
        file[sums_at..sums_at + 16].copy_from_slice(&right);
    }
    let checksum = xxh3_64(&file[..end]);
    file[end..end + CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}

/// Some changes to the bytes from `first` on, three bytes of the input for where, one for what: a few of their bits, a byte,
/// a number of four bytes that means something, the end cut off.
pub fn damage(file: &mut Vec<u8>, first: usize, changes: &[u8]) {
    const NUMBERS: [u32; 8] = [u32::MAX, 0, 1, i32::MAX as u32, 0x8000_0000, 0x7fc0_0000, 0x7f80_0000, 0x0001_0000];
    for change in changes.chunks_exact(4).take(6) {
        let place = usize::from(change[0]) | usize::from(change[1]) << 8 | usize::from(change[2]) << 16;
        // The beginning, where most lengths and types are, as often as all the rest.
        let within = if change[3] & 1 == 0 { file.len() } else { file.len().min(first + 400) };
        if within <= first {
            return;
        }
        let place = first + place % (within - first);
        match change[3] >> 1 {
            what @ 0..100 => file[place] ^= what + 1,
            what @ 100..120 => {
                let number = NUMBERS[usize::from(what) % NUMBERS.len()].to_le_bytes();
                let end = (place + 4).min(file.len());
                file[place..end].copy_from_slice(&number[..end - place]);
            }
            what @ 120..126 => file[place] = what,
            _ => file.truncate(place),
        }
    }
}

/// Searches an index in every way: nothing fails, and all that is found are rows that it has, each once. Returns whether there
/// were as many hits as there can be each time, the closest first: not where vectors or codes are damaged, which may lie
/// farther away than a number can tell.
pub fn is_searched_whole(index: &Index) -> bool {
    let query = vec![0.5; index.dimension()];
    let mut whole = true;
    for params in [SearchParams::DEFAULT, SearchParams::EXACT] {
        for k in [1, 7, 1_000] {
            let found = index.search(&query, k, &params, Select::All);
            let hits = found.expect("any index can be searched").remove(0);
            let mut ids: Vec<i64> = hits.iter().map(|hit| hit.id).collect();
            ids.sort_unstable();
            ids.dedup();
            assert!(ids.len() == hits.len() && hits.len() <= index.len().min(k));
            assert!(ids.iter().all(|id| index.ids().binary_search(id).is_ok()));
            let score = |hit: &Hit| index.metric().score(hit.distance);
            let sorted = hits.is_sorted_by(|one, two| score(one) >= score(two));
            whole &= sorted && hits.len() == index.len().min(k);
        }
    }
    if index.kind().can_reconstruct() {
        let first = &index.ids()[..index.len().min(3)];
        index.reconstruct(first).expect("rows of its own");
    }
    whole
}
