//! Protobuf's wire format, one level deep: a message as the list of its fields, each with the bytes that it came in.
//!
//! Invariant: writing the fields of a message that was split gives the same bytes. `prost` drops fields that it does not
//! know, so whole models go through here and only the messages that are looked into go through `prost`.

use super::Refusal;
use prost::Message;
use prost::bytes::{Buf, Bytes, BytesMut};

/// How the value of a field is written: the lower three bits of its key.
pub(super) const VARINT: usize = 0;
pub(super) const FIXED64: usize = 1;
pub(super) const LENGTH_DELIMITED: usize = 2;
pub(super) const FIXED32: usize = 5;

/// A field of a message: number, and bytes with key and length.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) number: usize,
    raw: Bytes,
    content: Bytes,
}

impl Field {
    /// The field `number` that holds `message`.
    pub(crate) fn message(number: usize, message: &impl Message) -> Self {
        Self::bytes(number, &message.encode_to_vec())
    }

    /// The field `number` that holds these bytes or this text.
    pub(crate) fn bytes(number: usize, content: &[u8]) -> Self {
        let mut raw = BytesMut::from(&key(number, content.len())[..]);
        let start = raw.len();
        raw.extend_from_slice(content);
        let raw = raw.freeze();
        Self {
            number,
            content: raw.slice(start..),
            raw,
        }
    }

    /// The field `number` that holds an integer.
    pub(crate) fn integer(number: usize, value: usize) -> Self {
        let mut raw = varint(number << 3 | VARINT);
        let start = raw.len();
        raw.extend(varint(value));
        let raw = Bytes::from(raw);
        Self {
            number,
            content: raw.slice(start..),
            raw,
        }
    }

    /// The field as it lies in a file.
    pub(crate) fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// What is in it: the message, text or bytes of a field with a length, else the bare value.
    pub(crate) fn content(&self) -> &Bytes {
        &self.content
    }

    /// The message in it.
    pub(crate) fn decode<M: Message + Default>(&self) -> Result<M, Refusal> {
        M::decode(self.content.clone()).map_err(|error| no_onnx(&error.to_string()))
    }
}

/// Key and length of the field `number` with a content of that many bytes.
pub(crate) fn key(number: usize, length: usize) -> Vec<u8> {
    let mut bytes = varint(number << 3 | LENGTH_DELIMITED);
    bytes.extend(varint(length));
    bytes
}

/// The fields of `message`, in their order. Nothing is copied.
pub(crate) fn split(message: &Bytes) -> Result<Vec<Field>, Refusal> {
    let mut rest = message.clone();
    let mut fields = Vec::new();
    while rest.has_remaining() {
        let start = message.len() - rest.len();
        let key = read_varint(&mut rest)?;
        let length = match key & 7 {
            VARINT => {
                let mut after = rest.clone();
                read_varint(&mut after)?;
                rest.len() - after.len()
            }
            FIXED64 => 8,
            FIXED32 => 4,
            LENGTH_DELIMITED => read_varint(&mut rest)?,
            other => return Err(no_onnx(&format!("a field has the unknown kind {other}"))),
        };
        if length > rest.len() {
            return Err(no_onnx("it ends in the middle of a field"));
        }
        let content = rest.split_to(length);
        fields.push(Field {
            number: key >> 3,
            raw: message.slice(start..message.len() - rest.len()),
            content,
        });
    }
    Ok(fields)
}

/// Lengths are written as every other integer is, so that `prost`'s functions for them serve for all.
fn varint(value: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10);
    prost::encode_length_delimiter(value, &mut bytes).expect("a vector grows");
    bytes
}

fn read_varint(bytes: &mut Bytes) -> Result<usize, Refusal> {
    prost::decode_length_delimiter(bytes).map_err(|error| no_onnx(&error.to_string()))
}

pub(super) fn no_onnx(reason: &str) -> Refusal {
    Refusal::new(
        format!("is no whole ONNX model ({reason})"),
        "put the file of the model's own distribution there",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(fields: &[Field]) -> Vec<u8> {
        fields
            .iter()
            .flat_map(|field| field.raw().to_vec())
            .collect()
    }

    #[test]
    fn fields_of_every_kind_come_apart_and_together() {
        // 1: the integer 300; 2: "ab"; 3: 32 bits; 4: 64 bits; 70: an empty text
        let bytes = Bytes::from_static(
            b"\x08\xac\x02\x12\x02ab\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08\xb2\x04\x00",
        );
        let fields = split(&bytes).unwrap();
        let numbers: Vec<usize> = fields.iter().map(|field| field.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 70]);
        assert_eq!(fields[1].content(), "ab");
        assert_eq!(whole(&fields), bytes);
    }

    #[test]
    fn fields_made_here_are_read_as_they_were_meant() {
        let fields = [Field::integer(8, 300), Field::bytes(20, b"text")];
        let read = split(&Bytes::from(whole(&fields))).unwrap();
        assert_eq!((read[0].number, read[1].number), (8, 20));
        assert_eq!(read[0].content(), fields[0].content());
        assert_eq!(read[1].content(), "text");
    }

    #[test]
    fn a_cut_off_message_is_refused() {
        let bytes = Bytes::from(whole(&[Field::bytes(1, b"some text")]));
        for end in 1..bytes.len() {
            assert!(split(&bytes.slice(..end)).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_kept(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            if let Ok(fields) = split(&bytes) {
                prop_assert_eq!(whole(&fields), bytes);
            }
        }
    }
}
