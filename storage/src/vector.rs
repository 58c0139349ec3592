//! Vectors as bytes: little-endian f32, one after another.
//!
//! Invariant: `decode` gives back the bits that `encode` was given, on any machine. It does not judge the numbers.

const WIDTH: usize = size_of::<f32>();

/// Replaces `bytes` by the bytes of `vector`.
pub(crate) fn encode(vector: &[f32], bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
}

/// Replaces `vector` by the numbers in `bytes`; false, and an empty `vector`, if they are not `dimension` numbers.
pub(crate) fn decode(bytes: &[u8], dimension: usize, vector: &mut Vec<f32>) -> bool {
    vector.clear();
    let (numbers, rest) = bytes.as_chunks::<WIDTH>();
    let right = numbers.len() == dimension && rest.is_empty();
    if right {
        vector.extend(numbers.iter().map(|number| f32::from_le_bytes(*number)));
    }
    right
}
