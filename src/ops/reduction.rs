//! How a loss becomes a number, by PyTorch's names.

use super::{Attr, Attrs};
use crate::Result;

/// What is done with the terms of a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Nothing: the loss has one term for each element.
    None,
}

impl Reduction {
    /// The attribute as entries list it.
    pub(super) const ATTR: Attr =
        Attr { name: "reduction", default: "\"mean\"", doc: "mean, sum, or none for one term for each element" };

    /// Reads the attribute.
    pub(super) fn from_attrs(attrs: &Attrs) -> Result<Self> {
        Ok(match attrs.choice("reduction", "mean", &["mean", "sum", "none"])?.as_str() {
            "sum" => Self::Sum,
            "none" => Self::None,
            _ => Self::Mean,
        })
    }
}
