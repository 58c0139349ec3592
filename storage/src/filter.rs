//! `Filter`: which documents, by their metadata and by the clusters they belong to.
//!
//! Invariant: a filter that `check` accepts can be evaluated on any document, in bounded stack and without error, once the
//! clusterings it names are found. The JSON form is in `filter/json.rs`, evaluation in `filter/matcher.rs`, clusters in
//! `filter/membership.rs`. Filters know neither keys nor texts.

mod condition;
mod field;
mod json;
mod matcher;
mod membership;
mod number;

use condition::{Operator, Subject};
pub(crate) use matcher::Matcher;
use serde_json::Value;

use crate::record::{MAX_METADATA_DEPTH, deeper_than};
use crate::{Error, Result};

/// Which documents, by their metadata and their clusters: in JSON, an object whose entries must all hold.
///
/// ```
/// use vinedb_storage::Filter;
/// let json = r#"{"country": "Italy", "price": {"gte": 10, "lt": 30}, "any": [{"organic": true}, {"notes": {"contains": "oak"}}]}"#;
/// let filter: Filter = serde_json::from_str(json)?;
/// let same = Filter::eq("country", "Italy")
///     .and(Filter::gte("price", 10).and(Filter::lt("price", 30)))
///     .and(Filter::eq("organic", true).or(Filter::contains("notes", "oak")));
/// assert_eq!(filter.to_string(), same.to_string());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Fields
/// A dot reaches into a nested object: `address.city`. A backslash takes the character after it as it is, so `a\.b` (in JSON
/// `"a\\.b"`) is the field whose name has a dot in it, and `\any` a field named like one of the words `not`, `any`, `all` and
/// `cluster`, which otherwise have a meaning of their own. A path does not reach into arrays: see `contains`.
///
/// # Operators
/// A plain value means `eq`. Integers and floats compare by their exact values, so `1` equals `1.0`; strings compare by Unicode
/// code points; values of different types are never equal and never in an order, so `{"price": {"lt": 20}}` leaves out
/// documents whose price is a string, null or missing.
///
/// | operator | value | holds for a field that |
/// |---|---|---|
/// | `eq` | any | equals the value; arrays in order, objects in any order; `null` means present and null |
/// | `ne` | any | `eq` doesn't hold for: also a **missing** one |
/// | `lt` `lte` `gt` `gte` | number or string | has the value's type and that order |
/// | `in` | array | equals one of its items; no field does when it is empty |
/// | `nin` | array | `in` doesn't hold for: also a **missing** one |
/// | `exists` | true or false | is present, null included; or is missing |
/// | `contains` | any | is an array with an item that equals the value, or a string with the value, a string, inside it |
///
/// # Clusters
/// `{"cluster.styles": 7}` holds for the documents in cluster 7 of the saved clustering `styles`, and so does
/// `{"cluster.styles": "sparkling"}` where that is the cluster's name. `{"cluster": 7}` will do while the collection has one
/// clustering; it is refused where there are more, or none. The operators are `eq`, `ne`, `in` and `nin`. The metadata field of that
/// name is `\cluster`; the setters here, such as [`Filter::eq`], always mean metadata.
///
/// # Combinations
/// `"not": {…}` holds where its filter doesn't, `"any": […]` where one of its filters does (none does when it is empty),
/// `"all": […]` where all of them do. The empty filter `{}` holds for every document.
///
/// # Limits
/// [`Filter::MAX_DEPTH`] levels, [`Filter::MAX_CONDITIONS`] conditions, [`Filter::MAX_VALUES`] values.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    node: Node,
    depth: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Condition {
        subject: Subject,
        operator: Operator,
        operand: Value,
    },
    /// stands for what was nested too deep, so that building, dropping and checking it stay shallow
    TooDeep,
}

/// The kind of a JSON value, with its article.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Setters for one operator each.
macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident => $operator:ident;)*) => {
        $($(#[$doc])*
        pub fn $name(path: impl Into<String>, value: impl Into<Value>) -> Self {
            Self::field(path.into(), Operator::$operator, value.into())
        })*
    };
}

impl Filter {
    /// The most levels of `not`, `any`, `all` and conditions within one another.
    pub const MAX_DEPTH: usize = 32;
    /// The most conditions.
    pub const MAX_CONDITIONS: usize = 1_000;
    /// The most values in all conditions together.
    pub const MAX_VALUES: usize = 100_000;

    conditions! {
        /// The field equals `value`.
        eq => Eq;
        /// The field doesn't equal `value`, or is missing.
        ne => Ne;
        /// The field is smaller than `value`, a number or a string.
        lt => Lt;
        /// The field is smaller than `value`, a number or a string, or equals it.
        lte => Lte;
        /// The field is larger than `value`, a number or a string.
        gt => Gt;
        /// The field is larger than `value`, a number or a string, or equals it.
        gte => Gte;
        /// The field is an array with `value` in it, or a string with the string `value` inside it.
        contains => Contains;
    }

    /// The field equals one of `values`.
    pub fn is_in<V: Into<Value>>(
        path: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self::field(
            path.into(),
            Operator::In,
            values.into_iter().map(Into::into).collect(),
        )
    }

    /// The field equals none of `values`, or is missing.
    pub fn not_in<V: Into<Value>>(
        path: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self::field(
            path.into(),
            Operator::Nin,
            values.into_iter().map(Into::into).collect(),
        )
    }

    /// The field is present, be it null.
    pub fn exists(path: impl Into<String>) -> Self {
        Self::field(path.into(), Operator::Exists, Value::Bool(true))
    }

    /// The document is in this cluster, by its number or name, of the saved clustering.
    pub fn in_cluster(clustering: impl Into<String>, cluster: impl Into<Value>) -> Self {
        let subject = Subject::Cluster(Some(clustering.into()));
        Self::condition(subject, Operator::Eq, cluster.into())
    }

    /// The document is in one of these clusters, by their numbers or names, of the saved clustering.
    pub fn in_clusters<V: Into<Value>>(
        clustering: impl Into<String>,
        clusters: impl IntoIterator<Item = V>,
    ) -> Self {
        let subject = Subject::Cluster(Some(clustering.into()));
        let clusters = clusters.into_iter().map(Into::into).collect();
        Self::condition(subject, Operator::In, clusters)
    }

    /// Every document.
    pub fn everything() -> Self {
        Self::all(Vec::new())
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::all(vec![self, other])
    }

    /// One of both holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::any(vec![self, other])
    }

    /// This one doesn't hold.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "the JSON form's own word, beside `and` and `or`"
    )]
    pub fn not(self) -> Self {
        match self.node {
            Node::Not(inner) => *inner,
            _ => Self::nested(self.depth, Node::Not(Box::new(self))),
        }
    }

    /// Refuses what cannot be evaluated. Every use of a filter does this first.
    ///
    /// # Errors
    /// [`Error::BadOperand`], [`Error::FilterTooDeep`], [`Error::FilterTooLarge`].
    pub fn check(&self) -> Result<()> {
        let mut size = Size::default();
        self.measure(&mut size)?;
        let limits = [
            ("conditions", size.conditions, Self::MAX_CONDITIONS),
            ("values", size.values, Self::MAX_VALUES),
        ];
        match limits.into_iter().find(|(_, given, limit)| given > limit) {
            Some((what, given, limit)) => Err(Error::FilterTooLarge { what, given, limit }),
            None => Ok(()),
        }
    }

    fn measure(&self, size: &mut Size) -> Result<()> {
        match &self.node {
            Node::All(filters) | Node::Any(filters) => {
                filters.iter().try_for_each(|filter| filter.measure(size))
            }
            Node::Not(filter) => filter.measure(size),
            Node::TooDeep => Err(Error::FilterTooDeep {
                limit: Self::MAX_DEPTH,
            }),
            Node::Condition {
                subject,
                operator,
                operand,
            } => size.add(subject, *operator, operand),
        }
    }

    fn field(path: String, operator: Operator, operand: Value) -> Self {
        Self::condition(Subject::Field(path), operator, operand)
    }

    fn condition(subject: Subject, operator: Operator, operand: Value) -> Self {
        Self {
            node: Node::Condition {
                subject,
                operator,
                operand,
            },
            depth: 1,
        }
    }

    /// All of them hold. `all` within `all` adds no level, and neither does `any` within `any`.
    fn all(filters: Vec<Self>) -> Self {
        let filters: Vec<Self> = filters.into_iter().flat_map(Self::into_all).collect();
        Self::nested(deepest(&filters), Node::All(filters))
    }

    fn any(filters: Vec<Self>) -> Self {
        let filters: Vec<Self> = filters.into_iter().flat_map(Self::into_any).collect();
        Self::nested(deepest(&filters), Node::Any(filters))
    }

    fn nested(depth: usize, node: Node) -> Self {
        match depth < Self::MAX_DEPTH {
            true => Self {
                node,
                depth: depth + 1,
            },
            false => Self {
                node: Node::TooDeep,
                depth,
            },
        }
    }

    fn into_all(self) -> Vec<Self> {
        match self.node {
            Node::All(filters) => filters,
            _ => vec![self],
        }
    }

    fn into_any(self) -> Vec<Self> {
        match self.node {
            Node::Any(filters) => filters,
            _ => vec![self],
        }
    }
}

fn deepest(filters: &[Filter]) -> usize {
    filters.iter().map(|filter| filter.depth).max().unwrap_or(0)
}

/// How large a filter is.
#[derive(Default)]
struct Size {
    conditions: usize,
    values: usize,
}

impl Size {
    fn add(&mut self, subject: &Subject, operator: Operator, operand: &Value) -> Result<()> {
        if let Some(expected) = subject.objection(operator, operand) {
            return Err(Error::BadOperand {
                path: subject.spelled().into_owned(),
                operator: operator.name(),
                expected,
                given: kind(operand),
            });
        }
        if deeper_than(operand, MAX_METADATA_DEPTH) {
            return Err(Error::FilterTooDeep {
                limit: MAX_METADATA_DEPTH,
            });
        }
        self.conditions += 1;
        self.values += values(operand);
        Ok(())
    }
}

fn values(operand: &Value) -> usize {
    match operand {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(values).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}
