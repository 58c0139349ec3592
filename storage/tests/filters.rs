//! Filters: against the plain rules of `rules.rs` on random documents, and one by one where a mistake is easy.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use vinedb_storage::{Error, Filter, Key, NewDocument};

use crate::fixtures::{Fixture, fields};
use crate::rules::{document, evaluate, filter};

/// Puts the documents in; their positions are their ids, from 1.
fn filled(documents: &[Value]) -> Fixture {
    let fixture = Fixture::new();
    let keys: Vec<Key> = (0..documents.len())
        .map(|at| Key::from(format!("{at}")))
        .collect();
    let metadata: Vec<_> = documents.iter().cloned().map(fields).collect();
    let new: Vec<_> = (keys.iter().zip(&metadata))
        .map(|(key, metadata)| NewDocument {
            key,
            text: None,
            metadata,
            passages: &[],
            vector: &[0.0, 0.0],
        })
        .collect();
    fixture.store.upsert(&new).unwrap();
    fixture
}

fn found(fixture: &Fixture, filter: &Value) -> Vec<i64> {
    let filter: Filter = serde_json::from_value(filter.clone()).unwrap();
    fixture.store.read().unwrap().matching(&filter).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    #[test]
    fn filters_agree_with_plain_rules_over_values(documents in vec(document(), 1..40), filters in vec(filter(), 1..40)) {
        let fixture = filled(&documents);
        let reader = fixture.store.read().unwrap();
        prop_assert_eq!(reader.ids().unwrap(), (1..).zip(&documents).map(|(id, _)| id).collect::<Vec<i64>>());
        for json in &filters {
            let expected: Vec<i64> = (1..).zip(&documents).filter(|(_, document)| evaluate(json, document)).map(|(id, _)| id).collect();
            let filter: Filter = serde_json::from_value(json.clone()).unwrap();
            prop_assert_eq!(reader.matching(&filter).unwrap(), expected.clone(), "{}", json);
            prop_assert_eq!(reader.count(Some(&filter)).unwrap(), expected.len() as u64);
            let scrolled = reader.scroll(0, usize::MAX, Some(&filter), false).unwrap();
            prop_assert_eq!(scrolled.iter().map(|record| record.id).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn the_json_form_reads_back_as_the_same_filter(json in filter()) {
        let filter: Filter = serde_json::from_value(json).unwrap();
        let again: Filter = serde_json::from_str(&filter.to_string()).unwrap();
        prop_assert_eq!(again, filter);
    }

    #[test]
    fn any_text_at_all_is_refused_or_a_filter(text in "\\PC{0,40}|[{}\\[\\]\":,a-z0-9$. ]{0,60}") {
        if let Ok(filter) = serde_json::from_str::<Filter>(&text) {
            let fixture = filled(&[json!({"a": 1})]);
            fixture.store.read().unwrap().matching(&filter).unwrap();
        }
    }
}

#[test]
fn types_are_never_mixed() {
    let prices = [
        json!(10),
        json!("10"),
        json!(null),
        json!(true),
        json!([10]),
        json!({"eur": 10}),
    ];
    let mut documents: Vec<Value> = prices
        .into_iter()
        .map(|price| json!({"price": price}))
        .collect();
    documents.push(json!({}));
    let fixture = filled(&documents);
    assert_eq!(found(&fixture, &json!({"price": {"lt": 20}})), [1]);
    assert_eq!(found(&fixture, &json!({"price": {"gt": 0}})), [1]);
    assert_eq!(found(&fixture, &json!({"price": {"lt": "2"}})), [2]);
    assert_eq!(found(&fixture, &json!({"price": null})), [3]);
    assert_eq!(found(&fixture, &json!({"price": {"exists": false}})), [7]);
    assert_eq!(
        found(&fixture, &json!({"price": {"ne": 10}})),
        [2, 3, 4, 5, 6, 7]
    );
    assert_eq!(
        found(&fixture, &json!({"price": {"nin": [10, true]}})),
        [2, 3, 5, 6, 7]
    );
    assert_eq!(found(&fixture, &json!({"price": 1})), [] as [i64; 0]);
    assert_eq!(found(&fixture, &json!({"price": {"contains": 10}})), [5]);
    assert_eq!(
        found(&fixture, &json!({"price": {"eq": {"eur": 10.0}}})),
        [6]
    );
}

#[test]
fn large_integers_and_floats_compare_exactly() {
    let fixture = filled(&[
        json!({"n": 9_007_199_254_740_993_i64}),
        json!({"n": 9_007_199_254_740_992.0}),
        json!({"n": u64::MAX}),
        json!({"n": 1.0}),
    ]);
    assert_eq!(
        found(&fixture, &json!({"n": 9_007_199_254_740_992_i64})),
        [2]
    );
    assert_eq!(
        found(&fixture, &json!({"n": {"gt": 9_007_199_254_740_992.0}})),
        [1, 3]
    );
    assert_eq!(found(&fixture, &json!({"n": u64::MAX})), [3]);
    assert_eq!(found(&fixture, &json!({"n": u64::MAX - 1})), [] as [i64; 0]);
    assert_eq!(found(&fixture, &json!({"n": 1})), [4]);
}

#[test]
fn names_with_any_character_are_within_reach() {
    let awkward = [
        "a.b",
        "a\"b",
        "a b",
        "[0]",
        "$",
        "a'); DROP TABLE documents; --",
        "a\\b",
        "",
        "not",
        "any",
        "all",
        "\u{1F377}",
        "a\nb",
        "%_*",
    ];
    for name in awkward {
        let fixture = filled(&[
            json!({name: 1}),
            json!({"other": {name: {"deep": 1}}}),
            json!({"other": 1}),
        ]);
        let escaped: String = name
            .chars()
            .flat_map(|character| ['\\', character])
            .collect();
        assert_eq!(
            found(&fixture, &json!({escaped.clone(): 1})),
            [1],
            "{name:?}"
        );
        assert_eq!(
            found(&fixture, &json!({format!("other.{escaped}.deep"): 1})),
            [2],
            "{name:?}"
        );
        let built = Filter::eq(escaped, 1);
        assert_eq!(
            fixture.store.read().unwrap().matching(&built).unwrap(),
            [1],
            "{name:?}"
        );
    }
    let fixture = filled(&[
        json!({"a.b": 1}),
        json!({"a": {"b": 1}}),
        json!({"x'y [0]\"": 1}),
    ]);
    assert_eq!(found(&fixture, &json!({"a.b": 1})), [2]);
    assert_eq!(found(&fixture, &json!({"a\\.b": 1})), [1]);
    assert_eq!(found(&fixture, &json!({"x'y [0]\"": 1})), [3]);
}

#[test]
fn empty_filters_and_lists_have_their_meaning() {
    let fixture = filled(&[json!({"a": 1}), json!({})]);
    assert_eq!(found(&fixture, &json!({})), [1, 2]);
    assert_eq!(found(&fixture, &json!({"any": []})), [] as [i64; 0]);
    assert_eq!(found(&fixture, &json!({"all": []})), [1, 2]);
    assert_eq!(found(&fixture, &json!({"a": {"in": []}})), [] as [i64; 0]);
    assert_eq!(found(&fixture, &json!({"a": {"nin": []}})), [1, 2]);
    assert_eq!(found(&fixture, &json!({"not": {}})), [] as [i64; 0]);
}

#[test]
fn a_filter_on_escapes_in_texts_sees_the_characters() {
    let fixture =
        filled(&[json!({"skip": "a\"}{\\", "t": "tab\there \"quoted\" \u{1F377} \u{7}"})]);
    for part in ["\t", "\"quoted\"", "\u{1F377}", "\u{7}"] {
        assert_eq!(
            found(&fixture, &json!({"t": {"contains": part}})),
            [1],
            "{part:?}"
        );
    }
}

fn refused(json: &str) -> String {
    serde_json::from_str::<Filter>(json)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_bad_filter_is_told_what_was_given_and_what_is_valid() {
    let unknown = refused(r#"{"price": {"less": 3}}"#);
    for part in [
        "price",
        "less",
        "eq, ne, lt, lte, gt, gte, in, nin, exists, contains",
    ] {
        assert!(unknown.contains(part), "{unknown}");
    }
    assert!(refused(r#"{"address": {"city": "Rome"}}"#).contains("address.city"));
    assert!(refused(r#"{"price": {}}"#).contains("no operator"));
    for (json, parts) in [
        (
            r#"{"price": {"lt": [3]}}"#,
            ["`price`", "`lt`", "a number or a string", "an array"],
        ),
        (
            r#"{"a": {"in": "x"}}"#,
            ["`a`", "`in`", "an array of values", "a string"],
        ),
        (
            r#"{"a": {"exists": 1}}"#,
            ["`a`", "`exists`", "true or false", "a number"],
        ),
        (
            r#"{"any": {"a": 1}}"#,
            ["`any`", "takes", "an array of filters", "an object"],
        ),
        (
            r#"{"not": [1]}"#,
            ["`not`", "takes", "an object", "an array"],
        ),
        (
            r#"{"any": [3]}"#,
            ["`any`", "takes", "an object", "a number"],
        ),
        ("[]", ["a filter", "takes", "an object", "an array"]),
    ] {
        let message = refused(json);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn depth_and_size_have_limits_in_json_and_in_code() {
    let nested =
        |levels: usize| "{\"not\":".repeat(levels) + "{\"any\":[{\"a\":1}]}" + &"}".repeat(levels);
    assert!(serde_json::from_str::<Filter>(&nested(20)).is_ok());
    assert!(refused(&nested(40)).contains("32 levels"));
    let fixture = filled(&[json!({"a": 1})]);
    let reader = fixture.store.read().unwrap();
    let mut filter = Filter::eq("a", 1);
    for round in 0..200_000 {
        filter = if round % 2 == 0 {
            filter.or(Filter::eq("b", 1))
        } else {
            filter.and(Filter::exists("a"))
        };
    }
    assert!(matches!(
        reader.matching(&filter),
        Err(Error::FilterTooDeep { limit: 32 })
    ));
    let wide = (0..1_001)
        .map(|n| Filter::eq("a", n))
        .reduce(Filter::or)
        .unwrap();
    assert!(matches!(
        reader.count(Some(&wide)),
        Err(Error::FilterTooLarge {
            what: "conditions",
            given: 1_001,
            ..
        })
    ));
    let values = Filter::is_in("a", 0..100_001);
    assert!(matches!(
        fixture.store.delete_matching(&values),
        Err(Error::FilterTooLarge { what: "values", .. })
    ));
    assert_eq!(
        reader.matching(&Filter::is_in("a", 0..50_000)).unwrap(),
        [1]
    );
    assert!(matches!(
        reader.matching(&Filter::lt("a", Value::Null)),
        Err(Error::BadOperand { operator: "lt", .. })
    ));
}
