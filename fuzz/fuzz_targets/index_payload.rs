//! Damage behind right checksums, as whoever makes an index file can have it: what is loaded is refused, or answers soundly and
//! takes more vectors. The first byte chooses the kind.
#![no_main]

mod sound;

use std::io::Write;

use engine::{Error, Index, Stamp};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, changes)) = input.split_first() else {
        return;
    };
    let mut bytes = sound::own()[usize::from(*choice) % sound::own().len()].clone();
    let end = sound::header_end(&bytes);
    sound::damage(&mut bytes, end + sound::CHECKSUM, changes);
    sound::seal(&mut bytes, end);
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&bytes).expect("room for it");
    for load in [Index::load, Index::load_mapped] {
        match load(file.path(), &Stamp::default()) {
            Ok(index) => sound::assert_searchable(&index),
            Err(error) => assert!(matches!(error, Error::CorruptIndex { .. }), "{error}"),
        }
    }
    let Ok(mut index) = Index::load(file.path(), &Stamp::default()) else {
        return;
    };
    let more = vec![0.25; 2 * index.dimension()];
    let next = index.last_id().map_or(0, |last| last + 1);
    if index.add(&[next, next + 1], &more).is_ok() {
        sound::assert_searchable(&index);
    }
});
