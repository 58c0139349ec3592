//! Damaged plain FAISS files, which carry no checksum: what is read of one is refused, or answers with rows of its own and takes more
//! vectors. The first byte chooses the kind.
#![no_main]

mod sound;

use std::io::Write;

use engine::{Error, Foreign};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, changes)) = input.split_first() else {
        return;
    };
    let mut bytes = sound::foreign()[usize::from(*choice) % sound::foreign().len()].clone();
    sound::damage(&mut bytes, 0, changes);
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&bytes).expect("room for it");
    let foreign = match Foreign::read(file.path()) {
        Ok(foreign) => foreign,
        Err(error) => return assert!(matches!(error, Error::BadForeign { .. }), "{error}"),
    };
    let metric = foreign.metric();
    if foreign.kind().can_reconstruct() {
        let _ = foreign.vectors(0..foreign.ids().len().min(3), metric);
    }
    let ids: Vec<i64> = (0..).take(foreign.ids().len()).collect();
    let mut index = foreign.into_index(metric, &ids).expect("ids that ascend");
    sound::is_searched_whole(&index);
    let next = index.last_id().map_or(0, |last| last + 1);
    let more = vec![0.25; 2 * index.dimension()];
    if index.add(&[next, next + 1], &more).is_ok() {
        sound::is_searched_whole(&index);
    }
});
