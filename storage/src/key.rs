//! The caller's name for a document: a text or an integer.
//!
//! Invariant: two keys are equal, and hash alike, exactly when their texts are the same bytes: `17` and `"17"` are one key. It
//! does not know the internal id.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// A document's key, in JSON a string or an integer.
///
/// `17` and `"17"` are the same key, and it comes back in the form in which it was last written. `"017"` is another key.
///
/// ```
/// use vinedb_storage::Key;
/// assert_eq!(Key::from(17), Key::from("17"));
/// assert_ne!(Key::from(17), Key::from("017"));
/// assert_eq!(Key::from(17).to_string(), "17");
/// ```
#[derive(Debug, Clone)]
pub enum Key {
    /// a string of 1 to [`Key::MAX_BYTES`] bytes of UTF-8
    Text(String),
    /// a 64-bit signed integer
    Integer(i64),
}

impl Key {
    /// The longest key, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// The key's text, which is what makes it the key it is.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Integer(number) => Cow::Owned(number.to_string()),
        }
    }

    pub(crate) fn is_integer(&self) -> bool {
        matches!(self, Self::Integer(_))
    }

    /// The key that the columns `key` and `key_integer` hold; None where they contradict each other.
    pub(crate) fn from_columns(text: String, integer: bool) -> Option<Self> {
        if !integer {
            return Some(Self::Text(text));
        }
        let number: i64 = text.parse().ok()?;
        (number.to_string() == text).then_some(Self::Integer(number))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(one), Self::Integer(two)) => one == two,
            _ => self.text() == other.text(),
        }
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Integer(number) => write!(formatter, "{number}"),
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}

impl From<i64> for Key {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key: a string, or an integer of 64 bits with sign")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Key, E> {
        Ok(Key::from(text))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Key, E> {
        Ok(Key::Text(text))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Key, E> {
        Ok(Key::Integer(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Key, E> {
        let unexpected = serde::de::Unexpected::Unsigned(number);
        i64::try_from(number)
            .map(Key::Integer)
            .map_err(|_| E::invalid_value(unexpected, &self))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Error;

    #[test]
    fn an_integer_and_its_text_are_one_key() {
        let mut keys = HashSet::from([Key::from(17)]);
        assert!(!keys.insert(Key::from("17")));
        assert!(keys.insert(Key::from("+17")));
        assert!(keys.insert(Key::from("017")));
        assert!(keys.insert(Key::from(-17)));
        assert_eq!(Key::from(i64::MIN), Key::from("-9223372036854775808"));
    }

    #[test]
    fn json_keeps_the_form_and_refuses_what_is_no_key() {
        let read = |json: &str| serde_json::from_str::<Key>(json);
        assert!(matches!(read("17").unwrap(), Key::Integer(17)));
        assert!(matches!(read("\"17\"").unwrap(), Key::Text(text) if text == "17"));
        assert_eq!(
            serde_json::to_string(&[Key::from(17), Key::from("17")]).unwrap(),
            r#"[17,"17"]"#
        );
        for (json, given) in [
            ("1.5", "1.5"),
            ("true", "true"),
            ("9223372036854775808", "9223372036854775808"),
            ("null", "null"),
        ] {
            let message = read(json).unwrap_err().to_string();
            assert!(
                message.contains(given) && message.contains("a string, or an integer"),
                "{message}"
            );
        }
    }

    #[test]
    fn lengths_are_in_bytes() {
        assert!(Key::from("é".repeat(512)).check().is_ok());
        assert!(matches!(
            Key::from("é".repeat(513)).check(),
            Err(Error::KeyTooLong { length: 1026, .. })
        ));
        assert!(matches!(Key::from("").check(), Err(Error::EmptyKey)));
    }
}
