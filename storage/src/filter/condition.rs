//! The two halves of a condition beside its value: what it is about, and the operator.
//!
//! Invariant: `Subject::parse` reads what `Subject::spelled` writes.

use std::borrow::Cow;

use serde_json::Value;

/// What a condition is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Subject {
    /// the metadata field at this path
    Field(String),
    /// the document's cluster in the clustering of this name, or in the only one
    Cluster(Option<String>),
}

/// The word for clusters, and what is before a clustering's name.
const CLUSTER: &str = "cluster";
const CLUSTER_OF: &str = "cluster.";

impl Subject {
    /// Reads the JSON form.
    pub(super) fn parse(path: String) -> Self {
        match path.strip_prefix(CLUSTER_OF) {
            Some(clustering) => Self::Cluster(Some(clustering.to_owned())),
            None if path == CLUSTER => Self::Cluster(None),
            None => Self::Field(path),
        }
    }

    /// The JSON form: a path that is, or begins with, a word of another meaning gets a backslash, which keeps it a path.
    pub(super) fn spelled(&self) -> Cow<'_, str> {
        match self {
            Self::Cluster(None) => CLUSTER.into(),
            Self::Cluster(Some(clustering)) => format!("{CLUSTER_OF}{clustering}").into(),
            Self::Field(path) => {
                let word = matches!(path.as_str(), "not" | "any" | "all" | CLUSTER);
                if word || path.starts_with(CLUSTER_OF) {
                    return format!("\\{path}").into();
                }
                path.into()
            }
        }
    }

    /// The operator of this name, if there is one here.
    pub(super) fn operator(&self, given: &str) -> Option<Operator> {
        let valid = |operator: &Operator| match self {
            Self::Field(_) => true,
            Self::Cluster(_) => matches!(
                operator,
                Operator::Eq | Operator::Ne | Operator::In | Operator::Nin
            ),
        };
        Operator::parse(given).filter(valid)
    }

    /// The operators it takes.
    pub(super) fn operators(&self) -> &'static str {
        match self {
            Self::Field(_) => OPERATOR_NAMES,
            Self::Cluster(_) => "eq, ne, in, nin",
        }
    }

    /// What the operator takes here, where `operand` is not that.
    pub(super) fn objection(&self, operator: Operator, operand: &Value) -> Option<&'static str> {
        let names_cluster = |value: &Value| value.is_u64() || value.is_string();
        match (self, operator) {
            (Self::Field(_), operator) => operator.objection(operand),
            (Self::Cluster(_), Operator::Eq | Operator::Ne) if !names_cluster(operand) => {
                Some("the number or the name of a cluster")
            }
            (Self::Cluster(_), Operator::In | Operator::Nin)
                if !operand
                    .as_array()
                    .is_some_and(|items| items.iter().all(names_cluster)) =>
            {
                Some("an array of numbers or names of clusters")
            }
            (Self::Cluster(_), _) => None,
        }
    }
}

/// How the subject is compared with the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    Nin,
    Exists,
    Contains,
}

const OPERATORS: [(&str, Operator); 10] = [
    ("eq", Operator::Eq),
    ("ne", Operator::Ne),
    ("lt", Operator::Lt),
    ("lte", Operator::Lte),
    ("gt", Operator::Gt),
    ("gte", Operator::Gte),
    ("in", Operator::In),
    ("nin", Operator::Nin),
    ("exists", Operator::Exists),
    ("contains", Operator::Contains),
];

const OPERATOR_NAMES: &str = "eq, ne, lt, lte, gt, gte, in, nin, exists, contains";

impl Operator {
    pub(super) fn parse(given: &str) -> Option<Self> {
        OPERATORS
            .iter()
            .find(|(name, _)| *name == given)
            .map(|(_, operator)| *operator)
    }

    pub(super) fn name(self) -> &'static str {
        OPERATORS
            .iter()
            .find(|(_, operator)| *operator == self)
            .map_or("", |(name, _)| name)
    }

    /// What the operator takes, where `operand` is not that.
    fn objection(self, operand: &Value) -> Option<&'static str> {
        match self {
            Self::Lt | Self::Lte | Self::Gt | Self::Gte
                if !(operand.is_number() || operand.is_string()) =>
            {
                Some("a number or a string")
            }
            Self::In | Self::Nin if !operand.is_array() => Some("an array of values"),
            Self::Exists if !operand.is_boolean() => Some("true or false"),
            _ => None,
        }
    }
}
