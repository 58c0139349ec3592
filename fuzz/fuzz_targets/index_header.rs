//! Any header, with sound checksums, over the bytes of a sound index: what the checksum stops otherwise reaches the parser
//! of the header, and the comparison of what it says with what FAISS read. The first byte chooses the index. FAISS's own
//! bytes stay as they were written: that it reads no others is what the checksum is for.
#![no_main]

use std::io::Write;
use std::sync::OnceLock;

use engine::{Index, Kind, Metric, SearchParams, Select, Stamp};
use xxhash_rust::xxh3::xxh3_64;

/// Magic, version, length of the header.
const PREFIX: usize = 16;
const CHECKSUM: usize = 8;

/// One file of each of some kinds, as prefix, header, checksum and payload.
fn files() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let kinds = [Kind::flat(), Kind::hnsw(4), Kind::ivf(1), Kind::hnsw(4).sq8()];
        kinds.iter().map(written).collect()
    })
}

fn written(kind: &Kind) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let points: Vec<f32> = (0_u8..160).map(f32::from).collect();
    let ids: Vec<i64> = (0..40).collect();
    let mut index = Index::new(4, Metric::L2, kind).expect("a kind");
    index.train(&points).expect("enough to train on");
    index.add(&ids, &points).expect("vectors");
    let path = folder.path().join("index");
    index.save(&path, &Stamp::default()).expect("a file");
    std::fs::read(path).expect("the file")
}

/// The header's last two numbers are the payload's length and checksum.
fn framed(prefix: &[u8], header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut file = prefix[..PREFIX - 4].to_vec();
    file.extend(u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes());
    file.extend(header);
    if header.len() >= 16 {
        let end = file.len();
        file[end - 16..end - 8].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        file[end - 8..].copy_from_slice(&xxh3_64(payload).to_le_bytes());
    }
    let checksum = xxh3_64(&file);
    file.extend(checksum.to_le_bytes());
    file.extend(payload);
    file
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, changes)) = input.split_first() else {
        return;
    };
    let sound = &files()[usize::from(*choice) % files().len()];
    let length = u32::from_le_bytes(sound[12..16].try_into().expect("four bytes")) as usize;
    let (start, rest) = sound.split_at(PREFIX + length);
    // Half of the inputs replace the header, half are laid over the one that was written.
    let mut header = changes.to_vec();
    if choice & 0x80 != 0 {
        header = start[PREFIX..].to_vec();
        header.iter_mut().zip(changes).for_each(|(byte, change)| *byte ^= change);
    }
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let bytes = framed(start, &header, &rest[CHECKSUM..]);
    file.write_all(&bytes).expect("room for it");
    if let Ok(index) = Index::load(file.path(), &Stamp::default()) {
        let query = vec![0.5; index.dimension()];
        let found = index.search(&query, 3, &SearchParams::default(), Select::All);
        assert!(found.is_ok_and(|hits| hits[0].len() == index.len().min(3)));
    }
});
