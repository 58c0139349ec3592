//! A filter's JSON form, both ways.
//!
//! Invariant: what `Serialize` writes, `Deserialize` reads back as the same filter. What is read is checked, so that a bad filter
//! is refused where it comes in.

use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::{Filter, Node, Operator, Subject, kind};
use crate::{Error, Result};

impl TryFrom<Value> for Filter {
    type Error = Error;

    /// Reads the JSON form and checks it.
    fn try_from(value: Value) -> Result<Self> {
        let filter = read("a filter", value, Self::MAX_DEPTH)?;
        filter.check()?;
        Ok(filter)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn read(place: &'static str, value: Value, levels: usize) -> Result<Filter> {
    let Value::Object(entries) = value else {
        return Err(Error::BadFilter {
            place,
            expected: "an object",
            given: kind(&value),
        });
    };
    let levels = levels.checked_sub(1).ok_or(Error::FilterTooDeep {
        limit: Filter::MAX_DEPTH,
    })?;
    let parts = entries
        .into_iter()
        .map(|(name, value)| entry(name, value, levels));
    Ok(together(parts.collect::<Result<_>>()?))
}

/// One part as it is, several as `all`.
fn together(mut parts: Vec<Filter>) -> Filter {
    match parts.len() {
        1 => parts.remove(0),
        _ => Filter::all(parts),
    }
}

fn entry(name: String, value: Value, levels: usize) -> Result<Filter> {
    match name.as_str() {
        "not" => Ok(read("`not`", value, levels)?.not()),
        "any" => Ok(Filter::any(list("`any`", value, levels)?)),
        "all" => Ok(Filter::all(list("`all`", value, levels)?)),
        _ => condition(Subject::parse(name), value),
    }
}

fn list(place: &'static str, value: Value, levels: usize) -> Result<Vec<Filter>> {
    let Value::Array(items) = value else {
        return Err(Error::BadFilter {
            place,
            expected: "an array of filters",
            given: kind(&value),
        });
    };
    items
        .into_iter()
        .map(|item| read(place, item, levels))
        .collect()
}

fn condition(subject: Subject, value: Value) -> Result<Filter> {
    match value {
        Value::Object(operators) => conditions(&subject, operators),
        value => Ok(Filter::condition(subject, Operator::Eq, value)),
    }
}

fn conditions(subject: &Subject, operators: Map<String, Value>) -> Result<Filter> {
    if operators.is_empty() {
        return Err(Error::NoOperator {
            path: subject.spelled().into_owned(),
            valid: subject.operators(),
        });
    }
    let condition = |(given, operand): (String, Value)| match subject.operator(&given) {
        Some(operator) => Ok(Filter::condition(subject.clone(), operator, operand)),
        None => Err(Error::UnknownOperator {
            path: subject.spelled().into_owned(),
            given,
            valid: subject.operators(),
        }),
    };
    Ok(together(
        operators
            .into_iter()
            .map(condition)
            .collect::<Result<_>>()?,
    ))
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match &self.node {
            Node::All(filters) => map.serialize_entry("all", filters)?,
            Node::Any(filters) => map.serialize_entry("any", filters)?,
            Node::Not(filter) => map.serialize_entry("not", filter)?,
            Node::Condition {
                subject,
                operator,
                operand,
            } => {
                map.serialize_entry(
                    &subject.spelled(),
                    &Condition {
                        operator: *operator,
                        operand,
                    },
                )?;
            }
            Node::TooDeep => {
                return Err(serde::ser::Error::custom(Error::FilterTooDeep {
                    limit: Self::MAX_DEPTH,
                }));
            }
        }
        map.end()
    }
}

struct Condition<'a> {
    operator: Operator,
    operand: &'a Value,
}

impl Serialize for Condition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.operator.name(), self.operand)])
    }
}

impl fmt::Display for Filter {
    /// The JSON form.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        formatter.write_str(&json)
    }
}
