//! How hard one query searches. A search ignores what does not fit its kind of index; [`SearchParams::check`] tells.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::spec::{Codes, IndexSpec, Kind, Structure};

/// The `ef_search` of a query that names none, where the index's recall was not measured.
pub const DEFAULT_EF_SEARCH: usize = 64;

/// The `nprobe` of a query that names none, where the index's recall was not measured.
pub const DEFAULT_NPROBE: usize = 16;

/// The `recall` of a query that names none.
pub const DEFAULT_RECALL: f32 = 0.95;

/// The `rescore` of a query that names none, where the index's recall was not measured.
pub const DEFAULT_RESCORE: usize = 4;

/// How hard to search; everything left out has its default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchParams {
    /// Approximate kinds: the share of the true nearest 10 that is to be found, above 0 and up to 1. The cheapest setting
    /// that was measured to reach it is taken; where none does, the best. Default 0.95. Not with `ef_search`, `nprobe` or
    /// `rescore`, which it chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<f32>,
    /// HNSW, NSG, `hnsw_rs`: how many candidates a search keeps; more is slower and finds more. Never below k.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ef_search: Option<usize>,
    /// IVF: how many lists a search reads; more is slower and finds more. At most nlist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nprobe: Option<usize>,
    /// IVF, but for fast scan: the most vectors that a search looks at, those of the nearest lists first, where k are found
    /// among them. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_codes: Option<usize>,
    /// Kinds that compress: how many candidates per match are compared by better codes, where the kind refines, or by
    /// whole vectors; 1 takes the distances of the codes as they are. At most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescore: Option<usize>,
    /// Scan everything. Exact for the kinds that keep whole vectors; for the others, exact over what they keep.
    pub exact: bool,
}

/// The most candidates per match.
const MAX_RESCORE: usize = 1_000;

impl SearchParams {
    /// Nothing is asked for in particular.
    pub const DEFAULT: Self = Self {
        recall: None,
        ef_search: None,
        nprobe: None,
        max_codes: None,
        rescore: None,
        exact: false,
    };

    /// Everything is compared.
    pub const EXACT: Self = Self {
        exact: true,
        ..Self::DEFAULT
    };

    /// Whether these parameters make sense for such an index, or for what it grows into.
    ///
    /// # Errors
    /// [`Error::ParameterMismatch`] for a parameter of other kinds, naming those; [`Error::ParameterRange`] for a number
    /// out of its range; [`Error::ParameterConflict`] for `recall` beside what it chooses.
    pub fn check(&self, index: &IndexSpec) -> Result<()> {
        self.validate()?;
        let grown = index.kind_for(usize::MAX, 1);
        for (parameter, given, takes, kinds) in self.table(&grown) {
            if given && !takes {
                return Err(Error::ParameterMismatch {
                    parameter,
                    index: index.clone(),
                    kinds,
                });
            }
        }
        Ok(())
    }

    /// Whether these parameters make sense at all, whatever the kind.
    ///
    /// # Errors
    /// [`Error::ParameterRange`] for a number out of its range; [`Error::ParameterConflict`] for `recall` beside what it
    /// chooses.
    pub fn validate(&self) -> Result<()> {
        self.check_ranges()?;
        let chosen = [
            ("ef_search", self.ef_search.is_some()),
            ("nprobe", self.nprobe.is_some()),
            ("rescore", self.rescore.is_some()),
        ];
        match chosen.into_iter().find(|(_, given)| *given) {
            Some((parameter, _)) if self.recall.is_some() => {
                Err(Error::ParameterConflict { parameter })
            }
            _ => Ok(()),
        }
    }

    /// Each parameter: whether it is given, whether the kind takes it, and which kinds do.
    fn table(&self, kind: &Kind) -> [(&'static str, bool, bool, &'static str); 4] {
        let graph = matches!(
            kind.structure,
            Structure::Hnsw { .. } | Structure::Nsg { .. } | Structure::HnswRs { .. }
        );
        let lists = matches!(kind.structure, Structure::Ivf { .. });
        let counted = lists && !matches!(kind.codes, Codes::PqFastScan { .. });
        let compressed = kind.refine.is_some() || !kind.is_lossless();
        [
            (
                "ef_search",
                self.ef_search.is_some(),
                graph,
                "HNSW, NSG and hnsw_rs",
            ),
            ("nprobe", self.nprobe.is_some(), lists, "IVF"),
            (
                "max_codes",
                self.max_codes.is_some(),
                counted,
                "IVF but for fast scan (x4fs)",
            ),
            (
                "rescore",
                self.rescore.is_some(),
                compressed,
                "the kinds that compress (SQ, PQ, RaBitQ, LSH, behind PCA, or with RFlat)",
            ),
        ]
    }

    fn check_ranges(&self) -> Result<()> {
        let range = |parameter, given: String, expected: String| Error::ParameterRange {
            parameter,
            given,
            expected,
        };
        for (parameter, value, most) in [
            ("ef_search", self.ef_search, usize::MAX),
            ("nprobe", self.nprobe, usize::MAX),
            ("max_codes", self.max_codes, usize::MAX),
            ("rescore", self.rescore, MAX_RESCORE),
        ] {
            let expected = match most {
                usize::MAX => "1 or more".to_owned(),
                most => format!("1 to {most}"),
            };
            if let Some(value) = value.filter(|value| !(1..=most).contains(value)) {
                return Err(range(parameter, value.to_string(), expected));
            }
        }
        match self
            .recall
            .filter(|recall| !(*recall > 0.0 && *recall <= 1.0))
        {
            Some(recall) => Err(range(
                "recall",
                recall.to_string(),
                "a number above 0 and up to 1".to_owned(),
            )),
            None => Ok(()),
        }
    }
}
