//! Long rows of numbers as bytes, little-endian, for the indexes that are held in Rust. A count that is wrong finds the end
//! of the source, not that of the memory.

use std::io::{self, Read, Write};

/// Numbers turned into bytes at a time.
const PIECE: usize = 1 << 14;

pub(crate) fn write_ids(target: &mut dyn Write, ids: &[i64]) -> io::Result<()> {
    write_all(target, ids, |id| id.to_le_bytes())
}

pub(crate) fn read_ids(source: &mut dyn Read, rows: usize) -> io::Result<Vec<i64>> {
    read_all(source, rows, i64::from_le_bytes)
}

pub(crate) fn write_numbers(target: &mut dyn Write, numbers: &[f32]) -> io::Result<()> {
    write_all(target, numbers, |number| number.to_le_bytes())
}

pub(crate) fn read_numbers(source: &mut dyn Read, count: usize) -> io::Result<Vec<f32>> {
    read_all(source, count, f32::from_le_bytes)
}

fn write_all<T: Copy, const N: usize>(
    target: &mut dyn Write,
    numbers: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    for piece in numbers.chunks(PIECE) {
        let piece: Vec<u8> = piece.iter().flat_map(|&number| bytes(number)).collect();
        target.write_all(&piece)?;
    }
    Ok(())
}

/// Grows with what is there: a count that is wrong finds the end of the source, not of the memory.
fn read_all<T, const N: usize>(
    source: &mut dyn Read,
    count: usize,
    number: impl Fn([u8; N]) -> T,
) -> io::Result<Vec<T>> {
    let mut numbers = Vec::new();
    let mut piece = vec![0; count.min(PIECE) * N];
    while numbers.len() < count {
        let bytes = &mut piece[..(count - numbers.len()).min(PIECE) * N];
        source.read_exact(bytes)?;
        let (chunks, _) = bytes.as_chunks::<N>();
        numbers.extend(chunks.iter().map(|&bytes| number(bytes)));
    }
    numbers.shrink_to_fit();
    Ok(numbers)
}
