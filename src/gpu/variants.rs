//! Kernels that are forced where an op would choose between variants by kind of device: what `WGVISION_VARIANT` says.
//!
//! Only names live here; what a variant is and which shapes it takes is its op's to say. An op whose forced variant does not take
//! a shape, or not this device, keeps to its rule.

use crate::{Error, Result};

/// A choice that ops make between kernels that do the same work.
#[derive(Debug)]
pub struct Family {
    /// What stands before `=`; may be left out for the first family.
    pub name: &'static str,
    /// What may stand behind it.
    pub variants: &'static [&'static str],
}

const CONV: &[&str] =
    &["lanes", "depthwise", "registers", "subgroup", "tiled", "cooperative", "winograd2", "winograd4"];

/// Every choice. The ops that make them hold their own names against these in tests.
pub const FAMILIES: &[Family] = &[
    Family { name: "conv", variants: CONV },
    Family { name: "conv_width", variants: &["narrow", "wide"] },
    Family { name: "matmul", variants: &["registers", "subgroup", "tiled"] },
    Family { name: "nms", variants: &["subgroup", "workgroup"] },
    Family { name: "reduce", variants: &["tree", "subgroup"] },
    Family { name: "roi_align", variants: &["single", "several"] },
];

/// What is forced: at most one variant of each family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forced(Vec<(&'static str, &'static str)>);

impl Forced {
    /// From a list such as `tiled,nms=workgroup`; a later entry of a family replaces an earlier one. Fails on a name that is not known.
    pub fn parse(text: &str) -> Result<Self> {
        let mut forced = Self::default();
        for entry in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            let (family, variant) = entry.split_once('=').unwrap_or((FAMILIES[0].name, entry));
            let found = FAMILIES.iter().find(|f| f.name == family.trim()).and_then(|f| {
                let variant = f.variants.iter().find(|v| **v == variant.trim())?;
                Some((f.name, *variant))
            });
            let Some((family, variant)) = found else {
                let message = format!("WGVISION_VARIANT: there is no variant '{entry}'; there are: {}", choices());
                return Err(Error::Usage(message));
            };
            forced.0.retain(|(f, _)| *f != family);
            forced.0.push((family, variant));
        }
        Ok(forced)
    }

    /// The forced variant of a family.
    pub fn of(&self, family: &str) -> Option<&'static str> {
        self.0.iter().find(|(f, _)| *f == family).map(|(_, variant)| *variant)
    }

    /// Whether nothing is forced.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Forced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries: Vec<String> = self.0.iter().map(|(family, variant)| format!("{family}={variant}")).collect();
        f.write_str(&entries.join(","))
    }
}

fn choices() -> String {
    let family = |f: &Family| format!("{}={}", f.name, f.variants.join("|"));
    let all: Vec<String> = FAMILIES.iter().map(family).collect();
    format!("{} ({}= may be left out)", all.join(", "), FAMILIES[0].name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_written() {
        let forced = Forced::parse(" tiled, nms=workgroup,matmul = tiled ,nms=subgroup,").expect("known names");
        assert_eq!(forced.to_string(), "conv=tiled,matmul=tiled,nms=subgroup");
        assert_eq!((forced.of("conv"), forced.of("roi_align")), (Some("tiled"), None));
        assert_eq!(Forced::parse(&forced.to_string()).expect("its own words"), forced);
        assert!(Forced::parse("").expect("nothing").is_empty());
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_choices() {
        for wrong in ["warp", "nms=tiled", "pool=tiled", "=", "tiled=lanes"] {
            let message = Forced::parse(wrong).expect_err(wrong).to_string();
            assert!(message.contains(&format!("'{wrong}'")) && message.contains("nms=subgroup|workgroup"), "{message}");
        }
    }
}
