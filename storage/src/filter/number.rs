//! Numbers and values, compared by what they are worth.
//!
//! Invariant: numbers compare exactly, whatever form they are written in: no integer is rounded to a float. Values of different
//! types are unequal and in no order.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::{Number, Value};

/// A number in the one form that equal numbers share: an integer where it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Worth {
    /// any integer up to the largest that a JSON integer or an `i128` conversion holds
    Integer(i128),
    /// the bits of a float with a fraction, or beyond ±2^100
    Float(u64),
}

/// Floats of this size and above are integers too large for an exact place beside the 64-bit ones; they stay floats.
const LARGE: f64 = (1u128 << 100) as f64;

impl Worth {
    pub(crate) fn of(number: &Number) -> Self {
        let integer = number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from));
        integer.map_or_else(
            || Self::of_float(number.as_f64().unwrap_or(f64::NAN)),
            Self::Integer,
        )
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the float is a whole number below 2^100"
    )]
    fn of_float(float: f64) -> Self {
        match float.fract() == 0.0 && float.abs() < LARGE {
            true => Self::Integer(float as i128),
            false => Self::Float(float.to_bits()),
        }
    }
}

/// The order of two numbers; None only if one is not a number at all.
pub(crate) fn order(one: &Number, two: &Number) -> Option<Ordering> {
    match (Worth::of(one), Worth::of(two)) {
        (Worth::Integer(one), Worth::Integer(two)) => Some(one.cmp(&two)),
        (Worth::Float(one), Worth::Float(two)) => {
            f64::from_bits(one).partial_cmp(&f64::from_bits(two))
        }
        (Worth::Integer(one), Worth::Float(two)) => beside(one, f64::from_bits(two)),
        (Worth::Float(one), Worth::Integer(two)) => {
            beside(two, f64::from_bits(one)).map(Ordering::reverse)
        }
    }
}

/// The order of an integer and a float that is not one: the integer against the float's floor, which it is never between.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only floats below 2^100 are cast"
)]
fn beside(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float.abs() >= LARGE {
        return Some(if float > 0.0 {
            Ordering::Less
        } else {
            Ordering::Greater
        });
    }
    Some(if integer <= float.floor() as i128 {
        Ordering::Less
    } else {
        Ordering::Greater
    })
}

/// Whether two values are the same: numbers by worth, arrays in order, objects in any order.
pub(crate) fn equal(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => Worth::of(one) == Worth::of(two),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| equal(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one
                    .iter()
                    .all(|(name, one)| two.get(name).is_some_and(|two| equal(one, two)))
        }
        _ => one == two,
    }
}

/// A set of values, where a lookup takes the same time however many there are, but for arrays and objects.
#[derive(Debug, Default)]
pub(crate) struct ValueSet {
    texts: HashSet<String>,
    numbers: HashSet<Worth>,
    others: Vec<Value>,
}

impl ValueSet {
    pub(crate) fn contains_text(&self, text: &str) -> bool {
        self.texts.contains(text)
    }

    pub(crate) fn contains(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.texts.contains(text),
            Value::Number(number) => self.numbers.contains(&Worth::of(number)),
            other => self.others.iter().any(|item| equal(item, other)),
        }
    }
}

impl FromIterator<Value> for ValueSet {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let mut set = Self::default();
        for value in values {
            match value {
                Value::String(text) => drop(set.texts.insert(text)),
                Value::Number(number) => drop(set.numbers.insert(Worth::of(&number))),
                other if set.contains(&other) => {}
                other => set.others.push(other),
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(value: Value) -> Number {
        match value {
            Value::Number(number) => number,
            other => panic!("{other} is no number"),
        }
    }

    #[test]
    fn the_order_is_exact_between_integers_and_floats() {
        let ascending = [
            json!(-1e300),
            json!(i64::MIN),
            json!(-1.5),
            json!(-1),
            json!(-0.5),
            json!(0),
            json!(5e-324),
            json!(1),
            json!(1.5),
            json!(9_007_199_254_740_992.0),
            json!(9_007_199_254_740_993_i64),
            json!(9_223_372_036_854_775_807_i64),
            json!(9_223_372_036_854_775_808.0),
            json!(u64::MAX),
            json!(18_446_744_073_709_551_616.0),
            json!(1e40),
        ];
        for (at, one) in ascending.iter().enumerate() {
            for (other, two) in ascending.iter().enumerate() {
                assert_eq!(
                    order(&number(one.clone()), &number(two.clone())),
                    Some(at.cmp(&other)),
                    "{one} {two}"
                );
                assert_eq!(equal(one, two), at == other, "{one} {two}");
            }
        }
    }

    #[test]
    fn equal_numbers_have_many_forms() {
        assert!(equal(&json!(1), &json!(1.0)));
        assert!(equal(&json!(-0.0), &json!(0)));
        assert!(equal(
            &json!([1, {"a": 2.0, "b": null}]),
            &json!([1.0, {"b": null, "a": 2}])
        ));
        assert!(!equal(&json!(1), &json!("1")) && !equal(&json!(1), &json!(true)));
    }

    #[test]
    fn a_set_holds_what_equals_a_member() {
        let set: ValueSet = [
            json!("a"),
            json!(1),
            json!(2.5),
            json!(null),
            json!([1]),
            json!({"x": 1}),
        ]
        .into_iter()
        .collect();
        for inside in [
            json!("a"),
            json!(1.0),
            json!(2.5),
            json!(null),
            json!([1.0]),
            json!({"x": 1.0}),
        ] {
            assert!(set.contains(&inside), "{inside}");
        }
        for outside in [
            json!("1"),
            json!(true),
            json!(2),
            json!([]),
            json!({"x": 2}),
        ] {
            assert!(!set.contains(&outside), "{outside}");
        }
    }
}
