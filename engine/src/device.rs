//! Where an index lives while it is searched. A build without GPU support knows the CPU alone and says so.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where an index is searched. In configuration a string: `cpu`, `cuda`, `cuda:1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by its number; `None` is the first.
    Cuda(Option<u32>),
}

impl Device {
    /// Whether this build can use the device.
    ///
    /// # Errors
    /// [`Error::NoGpu`] for a GPU, in a build without GPU support.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Cpu => Ok(()),
            Self::Cuda(_) => Err(Error::NoGpu { device: self }),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(number)) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let bad = || Error::BadDevice {
            given: given.to_owned(),
        };
        match given {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(None)),
            _ => {
                let digits = given.strip_prefix("cuda:").ok_or_else(bad)?;
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.parse().ok().filter(|_| plain);
                number
                    .map(|number| Self::Cuda(Some(number)))
                    .ok_or_else(bad)
            }
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl TryFrom<String> for Device {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        given.parse()
    }
}
