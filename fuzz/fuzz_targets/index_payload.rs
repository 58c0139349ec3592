//! Damage behind right checksums, as whoever makes an index file can have it: what is loaded is refused, or answers with rows of its own and
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
    let (end, sums_at) = (sound::header_end(&bytes), sound::sums_at(&bytes));
    sound::damage(&mut bytes, end + sound::CHECKSUM, changes);
    sound::seal(&mut bytes, end, sums_at);
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&bytes).expect("room for it");
    for load in [Index::load, Index::load_mapped] {
        match load(file.path(), &Stamp::default()) {
            Ok(index) => _ = sound::is_searched_whole(&index),
            Err(error) => assert!(matches!(error, Error::CorruptIndex { .. }), "{error}"),
        }
    }
    let Ok(mut index) = Index::load(file.path(), &Stamp::default()) else {
        return;
    };
    let more = vec![0.25; 2 * index.dimension()];
    let next = index.last_id().map_or(0, |last| last + 1);
    if index.add(&[next, next + 1], &more).is_ok() {
        sound::is_searched_whole(&index);
    }
});
