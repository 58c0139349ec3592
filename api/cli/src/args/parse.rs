//! Values of options, checked in themselves before anything is opened.

use ::models::Pooling;
use vinedb::{Filter, Query, embed::Border};

pub(super) fn filter(json: &str) -> Result<Filter, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

pub(super) fn border(name: &str) -> Result<Border, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

fn whole(text: &str, expected: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| format!("{text:?} was given, {expected} was expected"))
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    let expected = "a whole number of 1 or more";
    match whole(text, expected)? {
        0 => Err(format!("0 was given, {expected} was expected")),
        number => Ok(number),
    }
}

pub(super) fn top_k(text: &str) -> Result<usize, String> {
    let expected = format!("1 to {}", Query::MAX_TOP_K);
    match whole(text, &expected)? {
        number if (1..=Query::MAX_TOP_K).contains(&number) => Ok(number),
        number => Err(format!("{number} was given, {expected} was expected")),
    }
}

/// `7=sparkling`, or `7=`.
pub(super) fn cluster_name(text: &str) -> Result<(usize, Option<String>), String> {
    let expected = "a cluster's number and its name, such as 7=sparkling";
    let wrong = || format!("{text:?} was given, {expected} was expected");
    let (number, name) = text.split_once('=').ok_or_else(wrong)?;
    let name = (!name.is_empty()).then(|| name.to_owned());
    Ok((whole(number, expected)?, name))
}

pub(super) fn radius(text: &str) -> Result<f32, String> {
    let number: Option<f32> = text.parse().ok().filter(|number: &f32| number.is_finite());
    number.ok_or_else(|| format!("{text:?} was given, a finite number was expected"))
}

/// As `vinedb.json` has it: one name, or several.
pub(super) fn pooling(text: &str) -> Result<Pooling, String> {
    let names: Vec<&str> = text.split(',').collect();
    let json = match names.as_slice() {
        [name] => serde_json::json!(name),
        names => serde_json::json!(names),
    };
    serde_json::from_value(json).map_err(|error| error.to_string())
}
