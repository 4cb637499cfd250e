//! Figures as text that is read back to the very same figure: a decision that is made anew by figures
//! a hair apart could be another one. (A reader of JSON numbers may be off by the last bit.)

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

pub(crate) fn serialize<S: Serializer>(figure: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(figure)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| Error::custom(format!("`{text}` is not a figure")))
}
