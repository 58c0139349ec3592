//! How token states become one vector: the ways there are, and how a file writes them.
//!
//! Names and order are those of sentence-transformers' `Pooling` module (5.7, `sentence_transformer/modules/pooling.py`).
//! The arithmetic is in `pool.rs`.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One way to make a vector of token states. Special tokens count, padding does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolingMode {
    /// The first token's state.
    Cls,
    /// The largest value of each component.
    Max,
    /// The mean over the tokens.
    Mean,
    /// The sum over the tokens, divided by the square root of their number.
    MeanSqrtLen,
    /// The mean, each token weighted by its position, from 1.
    WeightedMean,
    /// The last token's state.
    LastToken,
}

impl PoolingMode {
    /// In the order in which files of older versions, a switch per mode, mean them to be concatenated.
    pub(crate) const ALL: [Self; 6] = [
        Self::Cls,
        Self::Max,
        Self::Mean,
        Self::MeanSqrtLen,
        Self::WeightedMean,
        Self::LastToken,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::MeanSqrtLen => "mean_sqrt_len_tokens",
            Self::WeightedMean => "weightedmean",
            Self::LastToken => "lasttoken",
        }
    }

    /// The switch of this mode in files of older versions.
    pub(crate) fn switch(self) -> &'static str {
        match self {
            Self::Cls => "pooling_mode_cls_token",
            Self::Max => "pooling_mode_max_tokens",
            Self::Mean => "pooling_mode_mean_tokens",
            Self::MeanSqrtLen => "pooling_mode_mean_sqrt_len_tokens",
            Self::WeightedMean => "pooling_mode_weightedmean_tokens",
            Self::LastToken => "pooling_mode_lasttoken",
        }
    }
}

impl FromStr for PoolingMode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
        found.ok_or_else(|| Error::UnknownPooling { given: name.into() })
    }
}

/// Several ways are concatenated in their order; none means that the model pools by itself. In JSON: `"mean"`,
/// `["cls", "mean"]` or `"model"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Pooling(Vec<PoolingMode>);

impl Pooling {
    /// The model's own: its output is one vector per text.
    #[must_use]
    pub fn by_the_model() -> Self {
        Self(Vec::new())
    }

    /// These, one after the other.
    #[must_use]
    pub fn of(modes: &[PoolingMode]) -> Self {
        Self(modes.to_vec())
    }

    /// The modes, in the order of their parts of the vector; none when the model pools by itself.
    #[must_use]
    pub fn modes(&self) -> &[PoolingMode] {
        &self.0
    }
}

impl From<PoolingMode> for Pooling {
    fn from(mode: PoolingMode) -> Self {
        Self(vec![mode])
    }
}

/// What the model itself is called where modes are written.
const BY_THE_MODEL: &str = "model";

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Several(Vec<String>),
}

impl TryFrom<Written> for Pooling {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        match written {
            Written::One(name) if name == BY_THE_MODEL => Ok(Self::by_the_model()),
            Written::One(name) => name.parse().map(|mode| Self(vec![mode])),
            Written::Several(names) if names.is_empty() => {
                Err(Error::UnknownPooling { given: "[]".into() })
            }
            Written::Several(names) => {
                let modes: Result<Vec<_>> = names.iter().map(|name| name.parse()).collect();
                modes.map(Self)
            }
        }
    }
}

impl From<Pooling> for Written {
    fn from(pooling: Pooling) -> Self {
        match pooling.0.as_slice() {
            [] => Self::One(BY_THE_MODEL.into()),
            [mode] => Self::One(mode.name().into()),
            modes => Self::Several(modes.iter().map(|mode| mode.name().into()).collect()),
        }
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|mode| mode.name()).collect();
        match names.as_slice() {
            [] => f.write_str(BY_THE_MODEL),
            names => f.write_str(&names.join("+")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_a_name_or_a_list_of_names() {
        for (json, pooling, text) in [
            (r#""mean""#, PoolingMode::Mean.into(), "mean"),
            (r#""model""#, Pooling::by_the_model(), "model"),
            (
                r#"["cls","mean_sqrt_len_tokens"]"#,
                Pooling::of(&[PoolingMode::Cls, PoolingMode::MeanSqrtLen]),
                "cls+mean_sqrt_len_tokens",
            ),
        ] {
            assert_eq!(serde_json::from_str::<Pooling>(json).unwrap(), pooling);
            assert_eq!(serde_json::to_string(&pooling).unwrap(), json);
            assert_eq!(pooling.to_string(), text);
        }
        for mode in PoolingMode::ALL {
            assert_eq!(mode.name().parse::<PoolingMode>().unwrap(), mode);
        }
    }

    #[test]
    fn an_unknown_mode_is_told_which_there_are() {
        for json in [r#""median""#, r#"["mean","median"]"#] {
            let message = serde_json::from_str::<Pooling>(json)
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("\"median\"") && message.contains("weightedmean"),
                "{message}"
            );
        }
        assert!(serde_json::from_str::<Pooling>("[]").is_err());
    }
}
