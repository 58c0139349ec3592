//! Tensors of an ONNX model to and from plain values.
//!
//! Invariant: as many values as the shape calls for, or an error. Values are little-endian in the file whatever the machine.

use super::proto::Tensor;
use super::{Refusal, wire};
use half::{bf16, f16};
use prost::bytes::Bytes;

/// Types of values, by their numbers in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Element {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    I32 = 6,
    I64 = 7,
    F16 = 10,
    F64 = 11,
    BF16 = 16,
}

impl Element {
    const ALL: [Self; 8] = [
        Self::F32,
        Self::U8,
        Self::I8,
        Self::I32,
        Self::I64,
        Self::F16,
        Self::F64,
        Self::BF16,
    ];

    /// The type of that number, if it is one of those that are read here.
    pub(crate) fn of(number: i32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|&element| element as i32 == number)
    }
}

impl Tensor {
    fn of(name: &str, element: Element, dims: &[usize], raw: Vec<u8>) -> Self {
        let size = |&dim: &usize| i64::try_from(dim).unwrap_or(i64::MAX);
        Self {
            name: name.to_owned(),
            element: element as i32,
            dims: dims.iter().map(size).collect(),
            raw: Some(Bytes::from(raw)),
            ..Self::default()
        }
    }

    /// A tensor of 32-bit floats; no sizes make a scalar.
    pub(crate) fn f32s(name: &str, dims: &[usize], values: &[f32]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes());
        Self::of(name, Element::F32, dims, raw.collect())
    }

    /// A tensor of 64-bit integers.
    pub(crate) fn i64s(name: &str, dims: &[usize], values: &[i64]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes());
        Self::of(name, Element::I64, dims, raw.collect())
    }

    /// A tensor of 8-bit integers.
    pub(crate) fn i8s(name: &str, dims: &[usize], values: &[i8]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes());
        Self::of(name, Element::I8, dims, raw.collect())
    }

    /// One unsigned 8-bit integer.
    pub(crate) fn u8(name: &str, value: u8) -> Self {
        Self::of(name, Element::U8, &[], vec![value])
    }
}

/// The sizes of a tensor.
pub(crate) fn shape(tensor: &Tensor) -> Result<Vec<usize>, Refusal> {
    let size = |&dim: &i64| {
        usize::try_from(dim)
            .map_err(|_| wire::no_onnx(&format!("`{}` has the size {dim}", tensor.name)))
    };
    tensor.dims.iter().map(size).collect()
}

/// The values of a tensor as 32-bit floats; `None` for types that no weight has. Integers above 2²⁴ are rounded.
pub(crate) fn f32s(tensor: &Tensor) -> Result<Option<Vec<f32>>, Refusal> {
    let Some(element) = Element::of(tensor.element) else {
        return Ok(None);
    };
    let values = match &tensor.raw {
        Some(raw) => from_raw(element, raw),
        None => from_fields(element, tensor),
    };
    let expected = shape(tensor)?
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size));
    if Some(values.len()) == expected {
        Ok(Some(values))
    } else {
        let found = format!(
            "`{}` has {} values and the sizes {:?}",
            tensor.name,
            values.len(),
            tensor.dims
        );
        Err(wire::no_onnx(&found))
    }
}

/// Values of a type that lie one behind the other, little-endian, as 32-bit floats.
pub(crate) fn from_raw(element: Element, raw: &[u8]) -> Vec<f32> {
    match element {
        Element::F32 => each(raw, f32::from_le_bytes),
        Element::U8 => raw.iter().map(|&byte| f32::from(byte)).collect(),
        Element::I8 => each(raw, |bytes| f32::from(i8::from_le_bytes(bytes))),
        Element::I32 => each(raw, |bytes| i32::from_le_bytes(bytes) as f32),
        Element::I64 => each(raw, |bytes| i64::from_le_bytes(bytes) as f32),
        Element::F16 => each(raw, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Element::F64 => each(raw, |bytes| narrow(f64::from_le_bytes(bytes))),
        Element::BF16 => each(raw, |bytes| bf16::from_le_bytes(bytes).to_f32()),
    }
}

fn each<const N: usize>(raw: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (whole, _) = raw.as_chunks::<N>();
    whole.iter().map(|&bytes| read(bytes)).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to 32 bits is what is asked for"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Narrow types lie in the field for 32-bit integers, 16-bit floats there as their bits.
fn from_fields(element: Element, tensor: &Tensor) -> Vec<f32> {
    let bits = |value: i32| u16::try_from(value & 0xffff).unwrap_or_default();
    let integers = |read: &dyn Fn(i32) -> f32| tensor.integers.iter().map(|&v| read(v)).collect();
    match element {
        Element::F32 => tensor.floats.clone(),
        Element::U8 | Element::I8 | Element::I32 => integers(&|value| value as f32),
        Element::I64 => tensor.longs.iter().map(|&value| value as f32).collect(),
        Element::F16 => integers(&|value| f16::from_bits(bits(value)).to_f32()),
        Element::F64 => tensor.doubles.iter().map(|&value| narrow(value)).collect(),
        Element::BF16 => integers(&|value| bf16::from_bits(bits(value)).to_f32()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_from_its_bytes() {
        let read = |element, raw: &[u8], dims| {
            f32s(&Tensor::of("w", element, &[dims], raw.to_vec()))
                .unwrap()
                .unwrap()
        };
        assert_eq!(read(Element::U8, &[1, 255], 2), [1.0, 255.0]);
        assert_eq!(read(Element::I8, &[1, 255], 2), [1.0, -1.0]);
        assert_eq!(read(Element::I32, &[254, 255, 255, 255], 1), [-2.0]);
        assert_eq!(read(Element::I64, &(-3_i64).to_le_bytes(), 1), [-3.0]);
        assert_eq!(read(Element::F16, &[0, 0x3e], 1), [1.5]);
        assert_eq!(read(Element::BF16, &[0xc0, 0x3f], 1), [1.5]);
        assert_eq!(read(Element::F64, &0.25_f64.to_le_bytes(), 1), [0.25]);
        assert_eq!(read(Element::F32, &0.5_f32.to_le_bytes(), 1), [0.5]);
    }

    #[test]
    fn a_type_s_own_field_is_read_where_there_are_no_bytes() {
        let halves = Tensor {
            dims: vec![2],
            element: Element::F16 as i32,
            integers: vec![0x3e00, 0xbe00],
            ..Tensor::default()
        };
        assert_eq!(f32s(&halves).unwrap().unwrap(), [1.5, -1.5]);
        let floats = Tensor {
            dims: vec![1, 1],
            element: Element::F32 as i32,
            floats: vec![0.5],
            ..Tensor::default()
        };
        assert_eq!(f32s(&floats).unwrap().unwrap(), [0.5]);
    }

    #[test]
    fn values_that_the_shape_does_not_call_for_are_refused() {
        for dims in [&[3][..], &[2, 2], &[usize::MAX, usize::MAX]] {
            let refusal = f32s(&Tensor::of("w", Element::F32, dims, vec![0; 8])).unwrap_err();
            assert!(
                refusal.found.contains("`w` has 2 values"),
                "{}",
                refusal.found
            );
        }
    }
}
