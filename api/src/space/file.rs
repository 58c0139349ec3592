//! Index files: their names, and the stamps that tie them to a collection's state.

use std::hash::{BuildHasher, RandomState};

use engine::Stamp;
use sha2::{Digest, Sha256};
use storage::Seal;

pub(crate) const INDEX_PREFIX: &str = "index-";

/// A name for the index file of a generation. Its random part goes into the stamp: another collection, or a restored twin, may
/// have the same configuration and the same counters, and its index is not this one's.
pub(crate) fn index_file(generation: u64) -> String {
    let nonce = RandomState::new().hash_one(generation);
    format!("{INDEX_PREFIX}{generation}-{nonce:016x}")
}

/// Whether an index file may have this name: nothing that leads out of the folder.
pub(crate) fn is_index_file(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    name.strip_prefix(INDEX_PREFIX)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
}

/// The stamp of this seal's index file, so that a file of another collection or another state is refused.
pub(crate) fn stamp(config: &str, seal: &Seal) -> Stamp {
    Stamp {
        config: hash(&[config.as_bytes(), &[0], seal.file.as_bytes()]),
        generation: seal.generation,
        sequence: seal.sequence,
        last_id: seal.last_id,
    }
}

/// The first eight bytes of the SHA-256 of these parts.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part));
    digest
        .finalize()
        .iter()
        .take(8)
        .fold(0, |hash, &byte| hash << 8 | u64::from(byte))
}
