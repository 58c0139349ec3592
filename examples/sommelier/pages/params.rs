//! What a search page's address asks: `q`, `max_price`, `country`. A form sends all three; empty means not asked.

use serde::{Deserialize, Serialize};

use crate::{
    cellar::Question,
    price::{self, Limit},
};

/// The longest question, in characters; the model reads little more.
pub(crate) const MAX_QUESTION: usize = 500;

/// The parameters, as they were given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Params {
    pub(crate) q: String,
    pub(crate) max_price: String,
    pub(crate) country: String,
}

impl Params {
    /// What is asked, or a sentence on what is wrong with it. A limit in the question counts where `max_price` gives none.
    pub(crate) fn question(&self, countries: &[String]) -> Result<Question, String> {
        let text = self.q.trim();
        let length = text.chars().count();
        if length > MAX_QUESTION {
            return Err(format!(
                "The question has {length} characters; {MAX_QUESTION} are enough for any wine."
            ));
        }
        let asked = Question::new(text);
        Ok(Question {
            limit: self.limit()?.or(asked.limit),
            country: self.country(countries)?,
            ..asked
        })
    }

    fn limit(&self) -> Result<Option<Limit>, String> {
        let given = self.max_price.trim();
        if given.is_empty() {
            return Ok(None);
        }
        let limit = price::parse(given).map(Limit::at_most);
        limit.map(Some).ok_or_else(|| {
            format!("The highest price should be an amount in dollars such as 25, not “{given}”.")
        })
    }

    fn country(&self, countries: &[String]) -> Result<Option<String>, String> {
        let given = self.country.trim();
        if given.is_empty() {
            return Ok(None);
        }
        let known = countries
            .iter()
            .find(|country| country.eq_ignore_ascii_case(given));
        known.cloned().map(Some).ok_or_else(|| {
            format!(
                "No wine of the list comes from “{given}”. Choose one of the {} countries.",
                countries.len()
            )
        })
    }
}
