//! What a filter means, as plain rules over JSON values, written without the crate's own; and random filters and documents to try
//! them on, with few names and values so that they meet. Paths have no escapes here.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::fixtures::fields;

/// The value along dotted names.
fn lookup<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .try_fold(document, |value, name| value.as_object()?.get(name))
}

/// Exact equality of numbers, by comparing decimals: integers as they are, whole floats as the integers they are.
fn decimal(value: &Value) -> String {
    match value.as_f64() {
        Some(float) if value.is_f64() => match float == 0.0 {
            true => "0".into(),
            false => format!("{float}"),
        },
        _ => value.to_string(),
    }
}

fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(_), Value::Number(_)) => decimal(one) == decimal(two),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && (0..one.len()).all(|at| same(&one[at], &two[at]))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.keys().all(|name| two.contains_key(name))
                && two
                    .iter()
                    .all(|(name, value)| one.get(name).is_some_and(|other| same(other, value)))
        }
        _ => one == two,
    }
}

/// Orders numbers (small enough for f64 to be exact in these tests) and strings.
fn less(one: &Value, two: &Value) -> Option<bool> {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => Some(one.as_f64()? < two.as_f64()?),
        (Value::String(one), Value::String(two)) => Some(one.as_bytes() < two.as_bytes()),
        _ => None,
    }
}

fn holds(operator: &str, operand: &Value, found: Option<&Value>) -> bool {
    match (operator, found) {
        ("ne", found) => !holds("eq", operand, found),
        ("nin", found) => !holds("in", operand, found),
        ("exists", found) => found.is_some() == operand.as_bool().unwrap(),
        (_, None) => false,
        ("eq", Some(value)) => same(value, operand),
        ("in", Some(value)) => operand
            .as_array()
            .unwrap()
            .iter()
            .any(|item| same(value, item)),
        ("lt", Some(value)) => less(value, operand) == Some(true),
        ("gt", Some(value)) => less(operand, value) == Some(true),
        ("lte", Some(value)) => less(operand, value) == Some(false),
        ("gte", Some(value)) => less(value, operand) == Some(false),
        ("contains", Some(Value::Array(items))) => items.iter().any(|item| same(item, operand)),
        ("contains", Some(Value::String(text))) => {
            operand.as_str().is_some_and(|part| text.contains(part))
        }
        ("contains", Some(_)) => false,
        other => panic!("{other:?}"),
    }
}

/// Evaluates the JSON form of a filter.
pub(crate) fn evaluate(filter: &Value, document: &Value) -> bool {
    let list = |value: &Value| value.as_array().unwrap().clone();
    filter
        .as_object()
        .unwrap()
        .iter()
        .all(|(name, value)| match name.as_str() {
            "not" => !evaluate(value, document),
            "any" => list(value).iter().any(|part| evaluate(part, document)),
            "all" => list(value).iter().all(|part| evaluate(part, document)),
            path => match value {
                Value::Object(operators) => operators
                    .iter()
                    .all(|(operator, operand)| holds(operator, operand, lookup(document, path))),
                value => holds("eq", value, lookup(document, path)),
            },
        })
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..4_i64).prop_map(Value::from),
        (-6..7_i32).prop_map(|half| json!(f64::from(half) / 2.0)),
        prop_oneof![
            Just("a"),
            Just("b"),
            Just("ab"),
            Just("é"),
            Just(""),
            Just("1"),
            Just("say \"a\"\\")
        ]
        .prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name(), inner), 0..4)
                .prop_map(|entries| Value::from(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a"),
        Just("b"),
        Just("c"),
        Just("a b"),
        Just("x'y"),
        Just("q\"[0]"),
        Just("$"),
        Just("ü")
    ]
    .prop_map(String::from)
}

pub(crate) fn document() -> impl Strategy<Value = Value> {
    vec((name(), value()), 0..6)
        .prop_map(|entries| Value::from(entries.into_iter().collect::<Map<_, _>>()))
}

fn condition() -> impl Strategy<Value = (&'static str, Value)> {
    let ordered = || {
        scalar().prop_filter("has an order", |value| {
            value.is_number() || value.is_string()
        })
    };
    prop_oneof![
        (
            prop_oneof![Just("eq"), Just("ne"), Just("contains")],
            value()
        ),
        (
            prop_oneof![Just("lt"), Just("lte"), Just("gt"), Just("gte")],
            ordered()
        ),
        (
            prop_oneof![Just("in"), Just("nin")],
            vec(value(), 0..4).prop_map(Value::from)
        ),
        (Just("exists"), any::<bool>().prop_map(Value::from)),
    ]
}

pub(crate) fn filter() -> impl Strategy<Value = Value> {
    let path = || vec(name(), 1..3).prop_map(|names| names.join("."));
    let short = (path(), scalar()).prop_map(|(path, value)| json!({ path: value }));
    let long = (path(), vec(condition(), 1..3))
        .prop_map(|(path, conditions)| json!({ path: Value::from(conditions.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()) }));
    prop_oneof![short, long].prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|filter| json!({"not": filter})),
            vec(inner.clone(), 0..4).prop_map(|filters| json!({"any": filters})),
            vec(inner.clone(), 0..4).prop_map(|filters| json!({"all": filters})),
            (inner.clone(), inner).prop_map(|(one, two)| {
                let mut entries = fields(one);
                entries.extend(fields(two));
                Value::from(entries)
            }),
        ]
    })
}
