//! Evaluates a filter on the bytes of a document's metadata, as a scan hands them over.
//!
//! Invariant: only the fields that the filter names become values; the rest is skipped, and nothing after the last of them is
//! looked at. Evaluating here and not in SQL keeps to one set of rules for types, numbers and paths, and puts no word of a
//! client's into SQL. It takes as long as SQLite's own functions on JSONB, and a third of what they take on JSON text.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::Value;

use super::membership::{Membership, Memberships};
use super::number::{ValueSet, equal, order};
use super::{Filter, Node, Operator, Subject, field};
use crate::error::Fault;
use crate::jsonb::{Element, Entries};

/// A filter made ready for many documents. One thread uses it at a time.
#[derive(Debug)]
pub(crate) struct Matcher {
    rule: Rule,
    members: Memberships,
    /// by the outermost name of their fields, ascending, for the search
    conditions: Vec<(String, Vec<Condition>)>,
    /// of each condition, whether it holds for the document at hand
    held: Vec<bool>,
}

/// How conditions, known by their places in `held`, go together.
#[derive(Debug)]
enum Rule {
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
    Condition(usize),
    Member(Membership),
}

/// A test of one field, which fails where the field is missing.
#[derive(Debug)]
struct Condition {
    place: usize,
    /// the names below the outermost
    below: Vec<String>,
    test: Test,
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
    /// For the documents with ids above `after`, as they are in this transaction.
    ///
    /// # Errors
    /// What [`Filter::check`] refuses; a clustering or a cluster that is not there.
    pub(crate) fn new(filter: &Filter, connection: &Connection, after: i64) -> Result<Self, Fault> {
        filter.check()?;
        let mut conditions = Conditions::new(connection);
        let rule = conditions.rule(filter)?;
        conditions.members.load(connection, after)?;
        Ok(Self {
            rule,
            members: conditions.members,
            conditions: conditions.by_name.into_iter().collect(),
            held: vec![false; conditions.count],
        })
    }

    /// Whether the document `id`, whose metadata has these bytes, fits.
    pub(crate) fn fits(&mut self, id: i64, metadata: &[u8]) -> Result<bool, Fault> {
        if self.reads_metadata() {
            self.read(metadata)?;
        }
        Ok(self.rule.holds(id, &self.held, &self.members))
    }

    /// Whether anything depends on metadata.
    pub(crate) fn reads_metadata(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// The ids, ascending, of the few documents that can fit, where the rule asks for members of clusters.
    pub(crate) fn candidates(&self) -> Option<Vec<i64>> {
        let member = |rule: &Rule| match rule {
            Rule::Member(membership) => Some(self.members.ids(membership)),
            Rule::All(_) | Rule::Any(_) | Rule::Not(_) | Rule::Condition(_) => None,
        };
        match &self.rule {
            Rule::All(rules) => rules.iter().filter_map(member).min_by_key(Vec::len),
            rule => member(rule),
        }
    }

    fn read(&mut self, metadata: &[u8]) -> Result<(), Fault> {
        self.held.fill(false);
        let mut unseen = self.conditions.len();
        let mut entries = Entries::new(metadata)?;
        while unseen > 0 {
            let Some(entry) = entries.next() else { break };
            let (name, element) = entry?;
            let place = self
                .conditions
                .binary_search_by(|(field, _)| field.as_bytes().cmp(name));
            if let Ok(place) = place {
                self.test(place, element)?;
                unseen -= 1;
            }
        }
        Ok(())
    }

    fn test(&mut self, place: usize, element: Element<'_>) -> Result<(), Fault> {
        for condition in &self.conditions[place].1 {
            self.held[condition.place] = condition.holds(element)?;
        }
        Ok(())
    }
}

impl Rule {
    fn holds(&self, id: i64, held: &[bool], members: &Memberships) -> bool {
        let holds = |rule: &Self| rule.holds(id, held, members);
        match self {
            Self::All(rules) => rules.iter().all(holds),
            Self::Any(rules) => rules.iter().any(holds),
            Self::Not(rule) => !holds(rule),
            Self::Condition(place) => held[*place],
            Self::Member(membership) => members.has(membership, id),
        }
    }
}

impl Condition {
    fn holds(&self, outermost: Element<'_>) -> Result<bool, Fault> {
        match descend(outermost, &self.below)? {
            None => Ok(false),
            Some(element) => match element.text() {
                Some(text) => Ok(self.test.holds_for_text(text?)),
                None => Ok(self.test.holds(&element.value()?)),
            },
        }
    }
}

fn descend<'b>(mut element: Element<'b>, names: &[String]) -> Result<Option<Element<'b>>, Fault> {
    for name in names {
        match element.field(name)? {
            Some(field) => element = field,
            None => return Ok(None),
        }
    }
    Ok(Some(element))
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
            Self::Contains(operand) => value
                .as_array()
                .is_some_and(|items| items.iter().any(|item| equal(item, operand))),
        }
    }

    /// `holds` for a string, without making one.
    fn holds_for_text(&self, text: &str) -> bool {
        match self {
            Self::Equals(operand) => operand == text,
            Self::Compares(operator, operand) => operand
                .as_str()
                .is_some_and(|other| in_order(*operator, text.cmp(other))),
            Self::OneOf(set) => set.contains_text(text),
            Self::Exists => true,
            Self::Contains(operand) => operand.as_str().is_some_and(|part| text.contains(part)),
        }
    }
}

/// The order of two numbers; None for anything else that is not a string.
fn compared(value: &Value, operand: &Value) -> Option<Ordering> {
    match (value, operand) {
        (Value::Number(one), Value::Number(two)) => order(one, two),
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

/// The conditions found so far in a filter.
struct Conditions<'c> {
    connection: &'c Connection,
    by_name: BTreeMap<String, Vec<Condition>>,
    count: usize,
    members: Memberships,
}

impl<'c> Conditions<'c> {
    fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            by_name: BTreeMap::new(),
            count: 0,
            members: Memberships::default(),
        }
    }

    fn rule(&mut self, filter: &Filter) -> Result<Rule, Fault> {
        match &filter.node {
            Node::All(filters) => Ok(Rule::All(self.rules(filters)?)),
            Node::Any(filters) => Ok(Rule::Any(self.rules(filters)?)),
            Node::Not(filter) => Ok(Rule::Not(Box::new(self.rule(filter)?))),
            Node::Condition {
                subject,
                operator,
                operand,
            } => {
                let rule = match subject {
                    Subject::Field(path) => self.condition(path, *operator, operand),
                    Subject::Cluster(clustering) => {
                        let clustering = clustering.as_deref();
                        let members = &mut self.members;
                        Rule::Member(members.find(self.connection, clustering, operand)?)
                    }
                };
                Ok(negated(rule, *operator, operand))
            }
            Node::TooDeep => unreachable!("`check` refuses it"),
        }
    }

    fn rules(&mut self, filters: &[Filter]) -> Result<Vec<Rule>, Fault> {
        filters.iter().map(|filter| self.rule(filter)).collect()
    }

    fn condition(&mut self, path: &str, operator: Operator, operand: &Value) -> Rule {
        let mut below = field::split(path);
        let outermost = below.remove(0);
        let condition = Condition {
            place: self.count,
            below,
            test: test(operator, operand),
        };
        let rule = Rule::Condition(self.count);
        self.by_name.entry(outermost).or_default().push(condition);
        self.count += 1;
        rule
    }
}

/// The rule, or its opposite where the operator means that.
fn negated(rule: Rule, operator: Operator, operand: &Value) -> Rule {
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
