//! Any bytes as an index file: loading them is an error or an index, never a crash.
#![no_main]

use std::io::Write;

use engine::{Index, Stamp};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("room for it");
    let _ = Index::load(file.path(), &Stamp::default());
});
