//! Any header, with right checksums, over the bytes of a sound index: what the checksum stops otherwise reaches the parser
//! of the header, and the comparison of what it says with what FAISS read. The first byte chooses the index. FAISS's own
//! bytes stay as they were written: changing those is index_payload's.
#![no_main]

mod sound;

use std::io::Write;

use engine::{Index, Stamp};
use sound::PREFIX;

/// Any header in place of that of a sound file.
fn framed(sound: &[u8], header: &[u8]) -> Vec<u8> {
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    let rest = &sound[sound::header_end(sound)..];
    let mut file = [&sound[..PREFIX - 4], &length.to_le_bytes(), header, rest].concat();
    sound::seal(&mut file, PREFIX + header.len(), sound::sums_at(sound));
    file
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, changes)) = input.split_first() else {
        return;
    };
    let sound = &sound::own()[usize::from(choice & 0x7f) % sound::own().len()];
    // Half of the inputs replace the header, half are laid over the one that was written.
    let mut header = changes.to_vec();
    if choice & 0x80 != 0 {
        header = sound[PREFIX..sound::header_end(sound)].to_vec();
        header.iter_mut().zip(changes).for_each(|(byte, change)| *byte ^= change);
    }
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&framed(sound, &header)).expect("room for it");
    if let Ok(index) = Index::load(file.path(), &Stamp::default()) {
        assert!(sound::is_searched_whole(&index));
    }
});
