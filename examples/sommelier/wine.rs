//! A wine as the list has it: one JSON object a line, in the schema of `wine_documents.jsonl`.
//!
//! Invariant: the wines that `parse` returns have unique keys and web addresses that are safe to link to. What the database
//! is given beside the wine's own fields, to filter by, is made here too: `price_usd` and `country`.

use std::collections::HashMap;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use vinedb::{Document, Metadata};

use crate::price;

/// Makes a wine's text from its fields.
pub(crate) const TEMPLATE: &str = include_str!("wine.jinja");
/// The field of a wine's price in dollars; absent where the list gives no price.
pub(crate) const PRICE: &str = "price_usd";
/// The field of a wine's country.
pub(crate) const COUNTRY: &str = "country";

/// The list names American wines by state. Georgia is left out: on a wine list it is the country.
const STATES: &[&str] = &[
    "Arizona",
    "California",
    "Colorado",
    "Connecticut",
    "Idaho",
    "Maryland",
    "Massachusetts",
    "Michigan",
    "Missouri",
    "New Jersey",
    "New Mexico",
    "New York",
    "North Carolina",
    "Ohio",
    "Oregon",
    "Pennsylvania",
    "Texas",
    "Vermont",
    "Virginia",
    "Washington",
];

/// A wine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wine {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) varietal: String,
    pub(crate) location: String,
    #[serde(default)]
    pub(crate) alcohol_volume: String,
    #[serde(default)]
    pub(crate) alcohol_percent: String,
    #[serde(default)]
    pub(crate) price: String,
    #[serde(default)]
    pub(crate) notes: String,
    #[serde(default)]
    pub(crate) reviews: Vec<Review>,
}

/// What a critic wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Review {
    pub(crate) author: String,
    pub(crate) review: String,
    #[serde(default)]
    pub(crate) rating: String,
}

impl Wine {
    /// The last part of the wine's address.
    pub(crate) fn key(&self) -> &str {
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        path.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
    }

    /// The last part of the location, with American states under one name.
    pub(crate) fn country(&self) -> &str {
        let last = self.location.rsplit(',').next().unwrap_or_default().trim();
        if STATES.contains(&last) {
            "United States"
        } else {
            last
        }
    }

    /// The document that the `wines` collection holds; its text is the template's to make.
    pub(crate) fn document(&self) -> Document {
        let mut metadata = json!(self);
        metadata[COUNTRY] = json!(self.country());
        if let Some(dollars) = price::parse(&self.price) {
            metadata[PRICE] = json!(dollars);
        }
        Document::from_metadata(self.key(), Metadata::new()).metadata(metadata)
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.name.trim().is_empty(), "the name is empty");
        let is_web = self.url.starts_with("https://") || self.url.starts_with("http://");
        ensure!(
            is_web && !self.key().is_empty(),
            "url {:?} is not a web address such as https://wines.example/a-wine",
            self.url
        );
        let is_price = self.price.is_empty() || price::parse(&self.price).is_some();
        ensure!(
            is_price,
            "price {:?} is not an amount such as $24",
            self.price
        );
        Ok(())
    }
}

/// Reads a list; `source` names it in errors, which also give the line and the reason.
pub(crate) fn parse(source: &str, list: &[u8]) -> Result<Vec<Wine>> {
    let mut wines = Vec::new();
    let mut lines_by_key = HashMap::new();
    for (line, number) in list.split(|&byte| byte == b'\n').zip(1..) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wine = parse_line(line).with_context(|| format!("{source}, line {number}"))?;
        if let Some(first) = lines_by_key.insert(wine.key().to_owned(), number) {
            bail!(
                "{source}, line {number}: its url ends in {:?} like that of line {first}; keep one of the two",
                wine.key()
            );
        }
        wines.push(wine);
    }
    ensure!(
        !wines.is_empty(),
        "{source} holds no wine: it should have one JSON object a line, with name, url, varietal, location, …"
    );
    Ok(wines)
}

fn parse_line(line: &[u8]) -> Result<Wine> {
    let wine: Wine = serde_json::from_slice(line).map_err(|error| reason(&error))?;
    wine.check()?;
    Ok(wine)
}

/// What is wrong with a line. serde counts lines within it, which would contradict the line's own number.
fn reason(error: &serde_json::Error) -> anyhow::Error {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let sentence = error.to_string();
    anyhow!(
        "{} (column {})",
        sentence.strip_suffix(&place).unwrap_or(&sentence),
        error.column()
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use vinedb::Template;

    use super::*;

    const LIST: &[u8] = include_bytes!("wines.jsonl");

    fn wine(reviews: &[(&str, &str, &str)]) -> Wine {
        let review = |&(author, review, rating): &(&str, &str, &str)| json!({"author": author, "review": review, "rating": rating});
        let reviews: Vec<_> = reviews.iter().map(review).collect();
        serde_json::from_value(json!({
            "name": "Quinta & Filhos 2019", "url": "https://wines.example/shop/quinta-2019/?from=list", "varietal": "Baga",
            "location": "Bairrada, Beiras, Portugal", "alcohol_volume": "750ML", "alcohol_percent": "13.5", "price": "$1,024.50",
            "notes": "Tar <and> roses.", "reviews": reviews,
        }))
        .unwrap()
    }

    fn text(wine: &Wine) -> String {
        Template::compile(TEMPLATE)
            .unwrap()
            .render(&wine.document().metadata)
            .unwrap()
    }

    #[test]
    fn the_text_has_the_original_layout() {
        let expected = "Name: Quinta & Filhos 2019\nVarietal: Baga\nLocation: Bairrada, Beiras, Portugal\nAlcohol Volume: 750ML\n\
            Alcohol Percent: 13.5\nPrice: $1,024.50\nWinemaker Notes: Tar <and> roses.\nReviews:\n\
            Reviewer: A\nReview: Firm.\nRating: 91\nReviewer: B\nReview: Fine.\nRating: 88";
        assert_eq!(
            text(&wine(&[("A", "Firm.", "91"), ("B", "Fine.", "88")])),
            expected
        );
        assert!(text(&wine(&[])).ends_with("Winemaker Notes: Tar <and> roses.\nReviews:\n"));
    }

    #[test]
    fn a_document_can_be_filtered_by_price_and_country_and_read_back() {
        let document = wine(&[]).document();
        assert_eq!(document.key, "quinta-2019".into());
        assert_eq!(document.metadata[PRICE], 1024.5);
        assert_eq!(document.metadata[COUNTRY], "Portugal");
        let back: Wine = serde_json::from_value(document.metadata.into()).unwrap();
        assert_eq!(back, wine(&[]));
        for (location, country) in [
            ("Napa Valley, California", "United States"),
            ("Kakheti, Georgia", "Georgia"),
            ("Texas", "United States"),
        ] {
            assert_eq!(
                Wine {
                    location: location.to_owned(),
                    ..wine(&[])
                }
                .country(),
                country
            );
        }
    }

    #[test]
    fn a_bad_line_is_named_with_the_reason() {
        let line = |changes: serde_json::Value| {
            let mut value = json!(wine(&[]));
            changes
                .as_object()
                .unwrap()
                .iter()
                .for_each(|(name, change)| value[name] = change.clone());
            value.to_string()
        };
        let good = line(json!({}));
        for (second, reason) in [
            ("{\"name\": \"x\"".to_owned(), "EOF"),
            (
                "{\"name\": \"x\"}".to_owned(),
                "missing field `url` (column 13)",
            ),
            (line(json!({"price": 12})), "invalid type"),
            (
                line(json!({"price": "cheap"})),
                "price \"cheap\" is not an amount",
            ),
            (
                line(json!({"url": "javascript:alert(1)"})),
                "is not a web address",
            ),
            (line(json!({"name": " "})), "the name is empty"),
            (good.clone(), "ends in \"quinta-2019\" like that of line 1"),
        ] {
            let error =
                parse("list.jsonl", format!("{good}\n\n{second}\n").as_bytes()).unwrap_err();
            let sentence = format!("{error:#}");
            assert!(
                sentence.starts_with("list.jsonl, line 3: ") && sentence.contains(reason),
                "{sentence}"
            );
        }
        assert!(
            parse("list.jsonl", b"\n")
                .unwrap_err()
                .to_string()
                .contains("holds no wine")
        );
        assert!(
            format!(
                "{:#}",
                parse("list.jsonl", b"{\"name\": \"\xff\"}").unwrap_err()
            )
            .contains("line 1")
        );
    }

    #[test]
    fn the_shipped_list_is_long_and_varied() {
        let wines = parse("wines.jsonl", LIST).unwrap();
        assert!(wines.len() >= 200, "{}", wines.len());
        let distinct = |of: fn(&Wine) -> &str| wines.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(distinct(|wine| &wine.name), wines.len());
        assert_eq!(distinct(|wine| &wine.url), wines.len());
        assert!(distinct(Wine::country) >= 15 && distinct(|wine| &wine.varietal) >= 60);
        let costing = |low: f64, high: f64| {
            wines
                .iter()
                .filter(|wine| {
                    price::parse(&wine.price).is_some_and(|price| (low..high).contains(&price))
                })
                .count()
        };
        assert_eq!(costing(0.0, f64::MAX), wines.len());
        assert!(
            costing(0.0, 15.0) >= 20
                && costing(15.0, 40.0) >= 80
                && costing(40.0, 100.0) >= 40
                && costing(100.0, 1000.0) >= 8
        );
        for wine in &wines {
            assert!(
                wine.notes.split_whitespace().count() >= 12,
                "{} has hardly any notes",
                wine.name
            );
            assert!(wine.reviews.iter().all(|review| {
                review
                    .rating
                    .parse()
                    .is_ok_and(|points: u8| (80..=100).contains(&points))
            }));
        }
    }
}
