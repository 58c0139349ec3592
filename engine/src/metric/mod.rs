//! How near two vectors are. Cosine is inner product over vectors of length 1; [`crate::vectors`] makes them so.

pub(crate) mod distance;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the distance between two vectors is measured. In configuration a string: `l2`, `cosine`, `inner_product`, `l1`,
/// `linf`, `lp(3)`, `canberra`, `braycurtis`, `jensenshannon`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Metric {
    /// Squared Euclidean distance; smaller is closer.
    L2,
    /// Cosine of the angle, from -1 to 1; larger is closer. A zero vector has 0 to everything.
    Cosine,
    /// Inner product; larger is closer.
    InnerProduct,
    /// Sum of absolute differences; smaller is closer.
    L1,
    /// Largest absolute difference; smaller is closer.
    Linf,
    /// Sum of absolute differences to the power of p, without the root; smaller is closer.
    Lp(Exponent),
    /// Sum of |x - y| / (|x| + |y|), where 0/0 counts as 0; smaller is closer.
    Canberra,
    /// Sum of |x - y| over the sum of |x + y|, for components of 0 or more, from 0 to 1; smaller is closer.
    BrayCurtis,
    /// Jensen-Shannon divergence (with the natural logarithm), for components of 0 or more; smaller is closer.
    JensenShannon,
}

/// All metrics but `lp`, whose name has a number in it.
const NAMED: [(&str, Metric); 8] = [
    ("l2", Metric::L2),
    ("cosine", Metric::Cosine),
    ("inner_product", Metric::InnerProduct),
    ("l1", Metric::L1),
    ("linf", Metric::Linf),
    ("canberra", Metric::Canberra),
    ("braycurtis", Metric::BrayCurtis),
    ("jensenshannon", Metric::JensenShannon),
];

impl Metric {
    /// [`Metric::Lp`] of this exponent.
    ///
    /// # Errors
    /// [`Error::BadMetric`] for an exponent below 0.1 or above 64.
    pub fn lp(p: f32) -> Result<Self> {
        Exponent::new(p).map(Self::Lp)
    }

    /// Whether a larger distance is closer.
    #[must_use]
    pub fn is_similarity(self) -> bool {
        matches!(self, Self::Cosine | Self::InnerProduct)
    }

    /// The distance as a score, of which the larger is the closer: negated where the smaller distance is the closer.
    #[must_use]
    pub fn score(self, distance: f32) -> f32 {
        if self.is_similarity() {
            distance
        } else {
            // Not its negative: that of 0 would be -0.
            0.0 - distance
        }
    }

    /// A distance as computed, as it is reported: a cosine lies in [-1, 1], and 0 has no sign. A cosine that rounding alone
    /// may have taken from 1 or -1 is that, so that a vector is within any radius of itself.
    pub(crate) fn reported(self, computed: f32, dimension: usize) -> f32 {
        if self == Self::Cosine && computed.abs() >= 1.0 - rounding(dimension) {
            return 1.0_f32.copysign(computed);
        }
        computed + 0.0
    }

    /// Whether vectors may have no component below 0.
    #[must_use]
    pub fn is_for_nonnegative(self) -> bool {
        matches!(self, Self::BrayCurtis | Self::JensenShannon)
    }
}

/// How far rounding takes the inner product of two vectors of length 1, with next to no exception: the errors of n terms add
/// up as √n, not as n (Higham and Mary, SIAM Journal on Scientific Computing 41, 2019). A few units more for the lengths, which
/// are rounded too.
#[expect(clippy::cast_precision_loss, reason = "a bound")]
fn rounding(dimension: usize) -> f32 {
    f32::EPSILON / 2.0 * (4.0 + (dimension as f32).sqrt())
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lp(p) => write!(f, "lp({})", p.get()),
            other => f.write_str(
                NAMED
                    .iter()
                    .find(|(_, metric)| metric == other)
                    .map_or("", |(name, _)| *name),
            ),
        }
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        if let Some((_, metric)) = NAMED.iter().find(|(name, _)| *name == given) {
            return Ok(*metric);
        }
        given
            .strip_prefix("lp(")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|number| number.trim().parse().ok())
            .and_then(|p| Self::lp(p).ok())
            .ok_or_else(|| Error::BadMetric {
                given: given.to_owned(),
            })
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

impl TryFrom<String> for Metric {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        given.parse()
    }
}

/// The p of [`Metric::Lp`]: 0.1 to 64.
#[derive(Debug, Clone, Copy)]
pub struct Exponent(f32);

impl Exponent {
    /// Takes an exponent in range.
    ///
    /// # Errors
    /// [`Error::BadMetric`] for one below 0.1 or above 64.
    pub fn new(p: f32) -> Result<Self> {
        if (0.1..=64.0).contains(&p) {
            return Ok(Self(p));
        }
        Err(Error::BadMetric {
            given: format!("lp({p})"),
        })
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

// The number is never NaN and never 0, so that equality of numbers is equality of bits.
impl PartialEq for Exponent {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Exponent {}

impl Hash for Exponent {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}
