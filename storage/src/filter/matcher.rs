//! Evaluates a filter on the JSON text of a document's metadata, as a scan hands it over.
//!
//! Invariant: of the text only the fields that the filter names become values; the rest is skipped, and nothing after the last of
//! them is looked at. Evaluating here and not in SQL keeps to one set of rules for types, numbers and paths, needs no SQL text made of a
//! client's words, and is faster than SQLite's JSON functions on text or JSONB (see `benches/storage.rs`).

use std::cmp::Ordering;
use std::collections::HashMap;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::number::{ValueSet, equal, order};
use super::{Filter, Node, Operator, field};
use crate::Result;
use crate::error::Fault;

/// A filter made ready for many documents. One thread uses it at a time.
#[derive(Debug)]
pub(crate) struct Matcher {
    rule: Rule,
    fields: Fields,
}

#[derive(Debug)]
enum Rule {
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
    Field {
        slot: usize,
        below: Vec<String>,
        test: Test,
    },
}

#[derive(Debug)]
enum Test {
    Equals(Value),
    Compares(Operator, Value),
    OneOf(ValueSet),
    Exists,
    Contains(Value),
}

impl Matcher {
    /// # Errors
    /// What [`Filter::check`] refuses.
    pub(crate) fn new(filter: &Filter) -> Result<Self> {
        filter.check()?;
        let mut names = Names::default();
        let rule = rule(filter, &mut names);
        Ok(Self {
            rule,
            fields: Fields {
                values: vec![None; names.slots.len()],
                names,
            },
        })
    }

    /// Whether the metadata with the JSON text `json` fits.
    pub(crate) fn fits(&mut self, json: &str) -> Result<bool, Fault> {
        self.fields.read(json)?;
        Ok(self.rule.holds(&self.fields.values))
    }
}

impl Rule {
    fn holds(&self, values: &[Option<Value>]) -> bool {
        match self {
            Self::All(rules) => rules.iter().all(|rule| rule.holds(values)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(values)),
            Self::Not(rule) => !rule.holds(values),
            Self::Field { slot, below, test } => values[*slot]
                .as_ref()
                .and_then(|value| descend(value, below))
                .is_some_and(|value| test.holds(value)),
        }
    }
}

fn descend<'v>(value: &'v Value, names: &[String]) -> Option<&'v Value> {
    names
        .iter()
        .try_fold(value, |value, name| value.as_object()?.get(name))
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Equals(operand) => equal(value, operand),
            Self::Compares(operator, operand) => {
                compared(value, operand).is_some_and(|order| in_order(*operator, order))
            }
            Self::OneOf(set) => set.contains(value),
            Self::Exists => true,
            Self::Contains(operand) => contains(value, operand),
        }
    }
}

/// The order of two numbers or two strings; None for anything else.
fn compared(value: &Value, operand: &Value) -> Option<Ordering> {
    match (value, operand) {
        (Value::Number(one), Value::Number(two)) => order(one, two),
        (Value::String(one), Value::String(two)) => Some(one.cmp(two)),
        _ => None,
    }
}

fn in_order(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Lt => order.is_lt(),
        Operator::Lte => order.is_le(),
        Operator::Gt => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn contains(value: &Value, operand: &Value) -> bool {
    match (value, operand) {
        (Value::Array(items), operand) => items.iter().any(|item| equal(item, operand)),
        (Value::String(text), Value::String(part)) => text.contains(part),
        _ => false,
    }
}

fn rule(filter: &Filter, names: &mut Names) -> Rule {
    match &filter.node {
        Node::All(filters) => Rule::All(filters.iter().map(|filter| rule(filter, names)).collect()),
        Node::Any(filters) => Rule::Any(filters.iter().map(|filter| rule(filter, names)).collect()),
        Node::Not(filter) => Rule::Not(Box::new(rule(filter, names))),
        Node::Field {
            path,
            operator,
            operand,
        } => condition(path, *operator, operand, names),
        Node::TooDeep => unreachable!("`check` refuses it"),
    }
}

fn condition(path: &str, operator: Operator, operand: &Value, names: &mut Names) -> Rule {
    let mut below = field::split(path);
    let slot = names.slot(below.remove(0));
    let rule = Rule::Field {
        slot,
        below,
        test: test(operator, operand),
    };
    match operator {
        Operator::Ne | Operator::Nin => Rule::Not(Box::new(rule)),
        Operator::Exists if operand == &Value::Bool(false) => Rule::Not(Box::new(rule)),
        _ => rule,
    }
}

/// The test that the operator makes, or negates.
fn test(operator: Operator, operand: &Value) -> Test {
    match operator {
        Operator::Eq | Operator::Ne => Test::Equals(operand.clone()),
        Operator::In | Operator::Nin => {
            Test::OneOf(operand.as_array().into_iter().flatten().cloned().collect())
        }
        Operator::Exists => Test::Exists,
        Operator::Contains => Test::Contains(operand.clone()),
        Operator::Lt | Operator::Lte | Operator::Gt | Operator::Gte => {
            Test::Compares(operator, operand.clone())
        }
    }
}

/// The outermost fields that a filter names, each with a slot for its value.
#[derive(Debug, Default)]
struct Names {
    slots: HashMap<String, usize>,
}

impl Names {
    fn slot(&mut self, name: String) -> usize {
        let next = self.slots.len();
        *self.slots.entry(name).or_insert(next)
    }
}

/// The values of the outermost fields, for the document at hand.
#[derive(Debug)]
struct Fields {
    names: Names,
    values: Vec<Option<Value>>,
}

impl Fields {
    /// Takes the values out of the text of a JSON object.
    fn read(&mut self, json: &str) -> Result<(), Fault> {
        self.values.fill(None);
        let mut missing = self.values.len();
        let scan = Scan {
            fields: self,
            missing: &mut missing,
        };
        let read = serde_json::Deserializer::from_str(json).deserialize_map(scan);
        match read {
            Err(error) if missing > 0 => Err(Fault::Corrupt(format!(
                "metadata is not a JSON object: {error}"
            ))),
            _ => Ok(()),
        }
    }
}

/// Walks the entries of one object until no field is missing.
struct Scan<'f> {
    fields: &'f mut Fields,
    missing: &'f mut usize,
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while *self.missing > 0 {
            match entries.next_key_seed(Slot(&self.fields.names))? {
                None => break,
                Some(None) => drop(entries.next_value::<IgnoredAny>()?),
                Some(Some(slot)) => {
                    self.fields.values[slot] = Some(entries.next_value()?);
                    *self.missing -= 1;
                }
            }
        }
        Ok(())
    }
}

/// Turns a field's name into its slot, if it has one.
struct Slot<'f>(&'f Names);

impl<'de> DeserializeSeed<'de> for Slot<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Slot<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.slots.get(name).copied())
    }
}
