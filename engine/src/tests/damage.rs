//! Ten thousand damaged bytes in the files of every kind: each is found before FAISS sees it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;

use super::fixtures::*;
use crate::{Error, Index, Metric, Stamp};

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
