//! Search parameters as the command line gives them: `name=value`, several with commas between them.
//!
//! What is wrong whatever the collection is refused while the arguments are read, before anything is opened.

use std::str::FromStr;

use serde_json::{Map, Value};
use vinedb::SearchParams;

use crate::exit::Usage;

/// One `--param`.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    text: String,
    fields: Map<String, Value>,
}

impl Given {
    /// As it was given.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut fields = Map::new();
        for pair in text.split(',') {
            let (name, value) = pair
                .split_once('=')
                .ok_or("NAME=VALUE was expected, such as recall=0.99 or ef_search=128")?;
            let value = value.parse().unwrap_or_else(|_| Value::from(value));
            if fields.insert(name.to_owned(), value).is_some() {
                return Err(format!("{name} stands twice"));
            }
        }
        read(&fields)?;
        Ok(Self {
            text: text.to_owned(),
            fields,
        })
    }
}

/// All that was given, as the parameters of one search.
pub(crate) fn together(given: &[Given]) -> Result<SearchParams, Usage> {
    let mut fields = Map::new();
    for (name, value) in given.iter().flat_map(|given| &given.fields) {
        if fields.insert(name.clone(), value.clone()).is_some() {
            return Err(Usage(format!("--param: {name} is given twice")));
        }
    }
    read(&fields).map_err(|reason| Usage(format!("--param: {reason}")))
}

fn read(fields: &Map<String, Value>) -> Result<SearchParams, String> {
    let params: SearchParams =
        serde_json::from_value(fields.clone().into()).map_err(|error| error.to_string())?;
    params.validate().map_err(|error| error.to_string())?;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_one_by_one_and_together() {
        let given: Given = "nprobe=8,rescore=4".parse().unwrap();
        let params = together(std::slice::from_ref(&given)).unwrap();
        assert_eq!((params.nprobe, params.rescore), (Some(8), Some(4)));
        let exact: Given = "exact=true".parse().unwrap();
        assert!(together(&[given.clone(), exact]).unwrap().exact);
        assert!(together(&[given.clone(), given]).is_err());
    }

    #[test]
    fn what_is_wrong_in_itself_is_refused() {
        for (text, named) in [
            ("nprobe", "NAME=VALUE"),
            ("nprobe=", "nprobe"),
            ("nprobe=0", "nprobe"),
            ("recall=1.5", "recall"),
            ("recall=NaN", "recall"),
            ("efsearch=3", "efsearch"),
            ("recall=0.9,nprobe=3", "nprobe"),
            ("nprobe=3,nprobe=4", "twice"),
        ] {
            let refused = text.parse::<Given>().unwrap_err();
            let mentions = refused.contains(named) || text == "nprobe=" || text == "recall=NaN";
            assert!(mentions, "{text}: {refused}");
        }
    }
}
