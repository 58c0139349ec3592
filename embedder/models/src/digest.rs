//! Hashes of files, in hexadecimal digits.

use std::{fs::File, io, path::Path};

use sha2::Digest;

/// Feeds a whole file to `digest`: what comes out, and how many bytes the file has.
pub(crate) fn of_file(
    mut digest: impl Digest + io::Write,
    path: &Path,
) -> io::Result<(String, u64)> {
    let bytes = io::copy(&mut File::open(path)?, &mut digest)?;
    Ok((hex(&digest.finalize()), bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
