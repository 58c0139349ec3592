//! Writes one by one: what comes back, what is refused, what a seal remembers.

use std::ops::ControlFlow;

use serde_json::{Value, json};
use vinedb_storage::{Error, Filter, Key, NewDocument, Seal};

use crate::fixtures::{Fixture, fields, put};

#[test]
fn a_record_comes_back_exactly_as_it_went_in() {
    let fixture = Fixture::new();
    let text = r#"{"z":235.0,"a":235,"big":18446744073709551615,"small":-9223372036854775808,"tiny":5e-324,"pi":3.141592653589793,"odd":0.1,"nested":{"y":[1,[2.50,{"x":null}]],"b":true},"":"empty name","Ünï ☃ 🍷":"\u0000 \" \\ \n é","e":1e21,"f":1.7976931348623157e308}"#;
    let metadata = fields(serde_json::from_str(text).unwrap());
    let (key, vector) = (Key::from(-5), [f32::MIN_POSITIVE, -0.0]);
    let body = "line\nzero \0 end 🍷";
    fixture
        .store
        .upsert(&[NewDocument {
            key: &key,
            text: Some(body),
            metadata: &metadata,
            passages: &[],
            vector: &vector,
        }])
        .unwrap();
    let reader = fixture.store.read().unwrap();
    let record = reader
        .get(&[Key::from("-5")], true)
        .unwrap()
        .remove(0)
        .unwrap();
    assert!(matches!(record.key, Key::Integer(-5)));
    assert_eq!(record.text.as_deref(), Some(body));
    assert_eq!(
        serde_json::to_string(&record.metadata).unwrap(),
        serde_json::to_string(&metadata).unwrap()
    );
    assert_eq!(record.vector.unwrap().map_bits(), vector.map(f32::to_bits));
}

trait Bits {
    fn map_bits(&self) -> Vec<u32>;
}

impl Bits for Vec<f32> {
    fn map_bits(&self) -> Vec<u32> {
        self.iter().map(|number| number.to_bits()).collect()
    }
}

#[test]
fn no_text_and_empty_text_are_two_things() {
    let fixture = Fixture::new();
    let (one, two, none) = (Key::from("one"), Key::from("two"), fields(json!({})));
    let document = |key, text| NewDocument {
        key,
        text,
        metadata: &none,
        passages: &[],
        vector: &[0.0, 0.0],
    };
    fixture
        .store
        .upsert(&[document(&one, None), document(&two, Some(""))])
        .unwrap();
    let records = fixture
        .store
        .read()
        .unwrap()
        .get(&[one, two], false)
        .unwrap();
    let texts: Vec<_> = records
        .into_iter()
        .map(|record| record.unwrap().text)
        .collect();
    assert_eq!(texts, [None, Some(String::new())]);
}

#[test]
fn ids_grow_and_are_never_given_again() {
    let fixture = Fixture::new();
    let first = fixture.put("a", json!({}));
    let second = put(&fixture.store, "a", json!({"v": 2}));
    assert_eq!((second.replaced, second.sequence), (vec![first], 2));
    assert!(second.ids[0] > first);
    assert_eq!(
        fixture
            .store
            .delete(&[Key::from("a"), Key::from("a"), Key::from("b")])
            .unwrap()
            .ids,
        second.ids
    );
    assert!(fixture.put("a", json!({})) > second.ids[0]);
    let reader = fixture.store.read().unwrap();
    assert_eq!(
        (
            reader.last_id(),
            reader.sequence(),
            reader.count(None).unwrap()
        ),
        (3, 4, 1)
    );
    assert_eq!(
        reader
            .records(&[3, 1, 99, 3, -1, i64::MAX], false)
            .unwrap()
            .iter()
            .map(Option::is_some)
            .collect::<Vec<_>>(),
        [true, false, false, true, false, false]
    );
}

#[test]
fn what_changes_nothing_is_no_write() {
    let fixture = Fixture::new();
    fixture.put("a", json!({}));
    assert_eq!(fixture.store.upsert(&[]).unwrap().sequence, 1);
    assert_eq!(fixture.store.delete(&[Key::from("b")]).unwrap().sequence, 1);
    assert_eq!(
        fixture
            .store
            .delete_matching(&Filter::eq("x", 1))
            .unwrap()
            .sequence,
        1
    );
    assert_eq!(fixture.store.read().unwrap().sequence(), 1);
}

#[test]
fn an_integer_key_replaces_its_text_and_comes_back_as_last_given() {
    let fixture = Fixture::new();
    let first = fixture.put(17, json!({}));
    let second = put(&fixture.store, "17", json!({}));
    assert_eq!(second.replaced, [first]);
    let record = fixture
        .store
        .read()
        .unwrap()
        .records(&second.ids, false)
        .unwrap()
        .remove(0)
        .unwrap();
    assert!(matches!(record.key, Key::Text(text) if text == "17"));
}

fn refused(fixture: &Fixture, key: &str, metadata: Value, vector: &[f32]) -> Error {
    let (good, bad, metadata) = (Key::from("good"), Key::from(key), fields(metadata));
    let documents = [
        NewDocument {
            key: &good,
            text: None,
            metadata: &metadata,
            passages: &[],
            vector: &[0.0, 0.0],
        },
        NewDocument {
            key: &bad,
            text: None,
            metadata: &metadata,
            passages: &[],
            vector,
        },
    ];
    let error = fixture.store.upsert(&documents).unwrap_err();
    assert_eq!(
        fixture.store.read().unwrap().sequence(),
        0,
        "a refused batch changes nothing"
    );
    error
}

#[test]
fn bad_documents_are_refused_by_name() {
    let fixture = Fixture::new();
    let ok = [0.0, 0.0];
    assert!(matches!(
        refused(&fixture, "", json!({}), &ok),
        Error::EmptyKey
    ));
    assert!(matches!(
        refused(&fixture, &"k".repeat(1025), json!({}), &ok),
        Error::KeyTooLong { length: 1025, .. }
    ));
    assert!(matches!(
        refused(&fixture, "good", json!({}), &ok),
        Error::DuplicateKey { .. }
    ));
    assert!(matches!(
        refused(&fixture, "k", json!({}), &[0.0]),
        Error::DimensionMismatch {
            expected: 2,
            actual: 1,
            ..
        }
    ));
    assert!(matches!(
        refused(&fixture, "k", json!({}), &[0.0; 3]),
        Error::DimensionMismatch { actual: 3, .. }
    ));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = refused(&fixture, "cuvée", json!({}), &[0.0, bad]);
        let message = error.to_string();
        assert!(
            matches!(error, Error::NotFinite { component: 1, .. }) && message.contains("cuvée"),
            "{message}"
        );
    }
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    assert!(matches!(
        refused(&fixture, "k", json!({"deep": deep}), &ok),
        Error::MetadataTooDeep { limit: 100, .. }
    ));
}

#[test]
fn the_deepest_metadata_allowed_reads_back() {
    let fixture = Fixture::new();
    let deep = (0..99).fold(json!(1), |inner, _| json!({ "x": inner }));
    let id = fixture.put("k".repeat(1024), json!({"deep": deep}));
    let reader = fixture.store.read().unwrap();
    assert_eq!(
        reader.records(&[id], false).unwrap()[0]
            .as_ref()
            .unwrap()
            .metadata["deep"],
        deep
    );
    assert_eq!(reader.matching(&Filter::eq("deep", deep)).unwrap(), [id]);
}

fn seal(last_id: i64, sequence: u64, keeps_removed: bool) -> Seal {
    Seal {
        generation: u64::MAX,
        file: "index-1".into(),
        kind: "Flat".into(),
        last_id,
        sequence,
        keeps_removed,
    }
}

#[test]
fn a_seal_remembers_just_the_removed_ids_that_its_index_may_hold() {
    let fixture = Fixture::new();
    let ids: Vec<i64> = ["a", "b", "c"]
        .map(|key| fixture.put(key, json!({})))
        .into();
    fixture.store.delete(&[Key::from("a")]).unwrap();
    assert_eq!(
        fixture.store.read().unwrap().removed().unwrap(),
        [] as [i64; 0],
        "no index, nothing to leave out"
    );

    fixture.store.delete(&[Key::from("b")]).unwrap();
    fixture.store.seal(&seal(ids[2], 4, false)).unwrap();
    let later = fixture.put("d", json!({}));
    fixture.store.delete(&[Key::from("d")]).unwrap();
    let reader = fixture.store.read().unwrap();
    assert_eq!(reader.seal(), Some(&seal(ids[2], 4, false)));
    assert_eq!(
        reader.removed().unwrap(),
        [ids[1]],
        "a went before the snapshot, d came after the seal"
    );
    assert_eq!(reader.sequence(), 7, "a seal is no write");
    drop(reader);

    fixture.store.seal(&seal(later, 7, true)).unwrap();
    assert_eq!(
        fixture.store.read().unwrap().removed().unwrap(),
        [ids[1], later],
        "an index that keeps what is gone"
    );
    fixture.store.seal(&seal(later, 7, false)).unwrap();
    assert_eq!(
        fixture.store.read().unwrap().removed().unwrap(),
        [] as [i64; 0]
    );
    let ahead = fixture.store.seal(&seal(later, 8, false)).unwrap_err();
    assert!(matches!(
        ahead,
        Error::SealAhead {
            given: 8,
            current: 7
        }
    ));
    fixture.store.check().unwrap();
}

#[test]
fn vectors_stream_in_order_until_told_to_stop() {
    let fixture = Fixture::new();
    for key in 0..10 {
        fixture.put(key, json!({}));
    }
    fixture.store.delete(&[Key::from(4)]).unwrap();
    let reader = fixture.store.read().unwrap();
    let mut seen = Vec::new();
    let mut take = |id, vector: &[f32]| {
        assert_eq!(vector, [1.0, 2.0]);
        seen.push(id);
        if id == 8 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    reader.for_each_vector(2, &mut take).unwrap();
    assert_eq!(seen, [3, 4, 6, 7, 8]);
    assert_eq!(
        reader.vectors(&[5, 1]).unwrap(),
        [None, Some(vec![1.0, 2.0])]
    );
}

#[test]
fn pages_of_a_scroll_join_without_gap_or_overlap() {
    let fixture = Fixture::new();
    for key in 0..25 {
        fixture.put(key, json!({"even": key % 2 == 0}));
    }
    let reader = fixture.store.read().unwrap();
    let filter = Filter::eq("even", true);
    let (mut after, mut keys) = (0, Vec::new());
    loop {
        let page = reader.scroll(after, 4, Some(&filter), true).unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        assert!(page.len() <= 4 && page.iter().all(|record| record.vector.is_some()));
        keys.extend(page.into_iter().map(|record| record.key.to_string()));
    }
    assert_eq!(
        keys,
        (0..25)
            .step_by(2)
            .map(|key| key.to_string())
            .collect::<Vec<_>>()
    );
    assert!(reader.scroll(0, 0, None, false).unwrap().is_empty());
}

#[test]
fn deleting_by_filter_takes_just_what_fits() {
    let fixture = Fixture::new();
    let ids: Vec<i64> = (0..6).map(|n| fixture.put(n, json!({"n": n}))).collect();
    let removed = fixture.store.delete_matching(&Filter::gte("n", 4)).unwrap();
    assert_eq!((removed.ids, removed.sequence), (ids[4..].to_vec(), 7));
    assert_eq!(
        fixture
            .store
            .read()
            .unwrap()
            .matching(&Filter::everything())
            .unwrap(),
        ids[..4]
    );
}
