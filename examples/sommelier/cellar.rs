//! Answers questions: the nearest wines, each with the sentence that suits the question best.
//!
//! A question is embedded once; wines and sentences are both searched by that vector.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use vinedb::{Collection, Database, Filter, Match, Query};

use crate::{
    price::Limit,
    wine::{COUNTRY, PRICE, Wine},
};

pub(crate) const WINES: &str = "wines";
pub(crate) const SENTENCES: &str = "sentences";
/// Wines that a question is answered with.
pub(crate) const ANSWERS: usize = 5;
/// More sentences than are written about that many wines.
const MAX_SENTENCES: usize = 1_000;

/// A sentence that was written about a wine, beside its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// The wine's key.
    pub(crate) wine: String,
    pub(crate) kind: Kind,
    /// Who wrote it; empty for the winemaker's notes.
    #[serde(default)]
    pub(crate) author: String,
    /// The reviewer's points; empty for the winemaker's notes.
    #[serde(default)]
    pub(crate) rating: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Review,
    Notes,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) limit: Option<Limit>,
    pub(crate) country: Option<String>,
}

/// A wine in the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Pick {
    pub(crate) wine: Wine,
    /// How near the wine's text is to the question: the cosine of the angle between the two, at most 1.
    pub(crate) score: f32,
    /// What was written about the wine that is nearest to the question.
    pub(crate) sentence: Option<Sentence>,
}

/// A sentence and where it comes from.
#[derive(Debug, Serialize)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) source: Source,
}

/// The wines that are stored.
#[derive(Debug, Clone)]
pub(crate) struct Cellar {
    wines: Collection,
    sentences: Collection,
    countries: Vec<String>,
    count: usize,
}

impl Question {
    /// A question without filters but the limit that its own words set.
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            limit: Limit::in_question(text),
            country: None,
        }
    }

    fn filter(&self) -> Option<Filter> {
        let country = self
            .country
            .as_ref()
            .map(|country| Filter::eq(COUNTRY, country.as_str()));
        let limit = self.limit.map(|limit| limit.filter(PRICE));
        match (country, limit) {
            (Some(country), Some(limit)) => Some(country.and(limit)),
            (country, limit) => country.or(limit),
        }
    }
}

impl Cellar {
    /// The wines that a database holds.
    pub(crate) fn new(db: &Database) -> Result<Self> {
        let wines = db.collection(WINES)?;
        let mut countries = BTreeSet::new();
        let mut count = 0;
        for document in wines.documents() {
            count += 1;
            if let Some(serde_json::Value::String(country)) = document?.metadata.remove(COUNTRY) {
                countries.insert(country);
            }
        }
        countries.remove("");
        Ok(Self {
            wines,
            sentences: db.collection(SENTENCES)?,
            countries: countries.into_iter().collect(),
            count,
        })
    }

    /// How many wines there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The countries they come from, sorted.
    pub(crate) fn countries(&self) -> &[String] {
        &self.countries
    }

    /// The wines that answer a question, best first, at most [`ANSWERS`].
    pub(crate) fn ask(&self, question: &Question) -> Result<Vec<Pick>> {
        let vector = self.wines.embed(&[&question.text])?.row(0).to_vec();
        let query = Query {
            filter: question.filter(),
            ..Query::vector(vector.clone()).top_k(ANSWERS)
        };
        let matches = self.wines.search(&query)?.matches;
        let mut sentences = self.sentences_on(&matches, vector)?;
        let pick = |found: Match| {
            let sentence = sentences.remove(&found.key.to_string());
            let wine = serde_json::from_value(found.document.metadata.into())?;
            Ok(Pick {
                wine,
                score: found.score,
                sentence,
            })
        };
        matches.into_iter().map(pick).collect()
    }

    /// By wine, the sentence that is nearest to the question.
    fn sentences_on(
        &self,
        wines: &[Match],
        question: Vec<f32>,
    ) -> Result<HashMap<String, Sentence>> {
        let keys = wines.iter().map(|found| found.key.to_string());
        let query = Query::vector(question)
            .top_k(MAX_SENTENCES)
            .filter(Filter::is_in("wine", keys));
        let mut best = HashMap::new();
        for found in self.sentences.search(&query)?.matches {
            let source: Source = serde_json::from_value(found.document.metadata.into())?;
            let text = found.document.text.unwrap_or_default();
            best.entry(source.wine.clone())
                .or_insert(Sentence { text, source });
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ingest::tests::{cellar, some_wines},
        price,
    };

    #[test]
    fn filters_hold_and_fewer_than_five_may_pass() {
        let dir = tempfile::tempdir().unwrap();
        let wines = some_wines(60);
        let cellar = cellar(dir.path(), &wines);
        let ask = |limit, country: Option<&str>| {
            let question = Question {
                text: "red wine for a roast".to_owned(),
                limit,
                country: country.map(str::to_owned),
            };
            cellar.ask(&question).unwrap()
        };
        assert_eq!(ask(None, None).len(), ANSWERS);
        for pick in ask(Some(Limit::at_most(20.0)), None) {
            assert!(price::parse(&pick.wine.price).unwrap() <= 20.0);
        }
        for country in cellar.countries() {
            let expected = wines
                .iter()
                .filter(|wine| wine.country() == country)
                .count()
                .min(ANSWERS);
            let picks = ask(None, Some(country));
            assert_eq!(picks.len(), expected, "{country}");
            assert!(picks.iter().all(|pick| pick.wine.country() == country));
        }
        assert!(ask(Some(Limit::at_most(1.0)), None).is_empty());
    }

    #[test]
    fn each_wine_comes_with_the_sentence_about_it_that_is_nearest() {
        let dir = tempfile::tempdir().unwrap();
        let mut wines = some_wines(2);
        let review = |text: &str| {
            serde_json::from_value(serde_json::json!([{"author": "A", "review": text}])).unwrap()
        };
        wines[0].reviews = review("Oysters and salt. Plums and leather.");
        wines[1].reviews = review("Cream and butter. Smoke and leather.");
        let cellar = cellar(dir.path(), &wines);
        let picks = cellar.ask(&Question::new("leather")).unwrap();
        let told: HashMap<&str, &str> = picks
            .iter()
            .map(|pick| {
                (
                    pick.wine.key(),
                    pick.sentence.as_ref().unwrap().text.as_str(),
                )
            })
            .collect();
        let expected = HashMap::from([
            (wines[0].key(), "Plums and leather."),
            (wines[1].key(), "Smoke and leather."),
        ]);
        assert_eq!(told, expected);
        assert!(picks[0].score >= picks[1].score);
    }
}
