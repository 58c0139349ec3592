//! JSONB against `serde_json`'s values, and against SQLite's own reading and writing of the format.

use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::Connection;

use super::*;

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            object(inner).prop_map(Value::from)
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\"\\\\{}\\[\\],:a\n\u{1}]{0,14}",
        "[a-z]{0,300}"
    ]
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Metadata> {
    vec((text(), value), 0..20).prop_map(|entries| entries.into_iter().collect())
}

fn encoded(metadata: &Metadata) -> Vec<u8> {
    let mut bytes = b"left over".to_vec();
    encode(metadata, &mut bytes);
    bytes
}

fn in_sqlite<T: rusqlite::types::FromSql>(sql: &str, parameter: impl rusqlite::ToSql) -> T {
    Connection::open_in_memory()
        .unwrap()
        .query_row(sql, [parameter], |row| row.get(0))
        .unwrap()
}

proptest! {
    #[test]
    fn objects_come_back_to_the_last_bit_and_in_order(written in object(value())) {
        let read = decode(&encoded(&written)).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&written).unwrap());
        prop_assert_eq!(read, written);
    }

    #[test]
    fn sqlite_reads_what_is_written(written in object(value())) {
        // SQLite gives a NUL character within a text back as an escape, which serde_json reads
        let json: String = in_sqlite("SELECT json(?1)", encoded(&written));
        prop_assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), written);
    }

    #[test]
    fn altered_bytes_are_no_panic(written in object(value()), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let bytes = encoded(&written);
        let at = at.index(bytes.len());
        prop_assert!(decode(&bytes[..at]).is_err());
        let mut altered = bytes;
        altered[at] = byte;
        let _ = decode(&altered);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in vec(any::<u8>(), 0..64)) {
        let _ = decode(&bytes);
    }
}

#[test]
fn every_width_of_size_is_written_and_read() {
    for length in [0, 11, 12, 255, 256, 65_535, 65_536] {
        let written: Metadata = [("x".repeat(length), Value::from("y".repeat(length)))]
            .into_iter()
            .collect();
        let bytes = encoded(&written);
        assert_eq!(decode(&bytes).unwrap(), written);
        assert_eq!(
            in_sqlite::<i64>("SELECT json_valid(?1, 8)", bytes),
            1,
            "{length}"
        );
    }
}

#[test]
fn a_hostile_depth_is_refused_and_not_followed() {
    let bytes = (0..500).fold(vec![NULL], |inner: Vec<u8>, _| {
        let (header, length) = header(ARRAY, inner.len());
        [&header[..length], &inner].concat()
    });
    let mut object = vec![];
    nest(OBJECT, &mut object, |object| {
        put_text("deep", object);
        object.extend_from_slice(&bytes);
    });
    assert!(matches!(decode(&object), Err(Fault::Corrupt(reason)) if reason.contains("levels")));
}
