//! COCO's compact string of run lengths.
//!
//! Each run is a number of 6-bit characters from '0' on, five bits of the number and one that says whether more follow,
//! low bits first and the last one signed; from the fourth run on it is the difference to the run before the last.

use super::Mask;
use crate::{Error, Result};

impl Mask {
    /// From the compact string. Fails if it holds other characters, ends within a number, or does not fill the mask.
    pub fn parse(size: [u32; 2], text: &str) -> Result<Self> {
        let wrong = |at: usize, what: &str| Error::Usage(format!("RLE: {what} at character {at} of {text:.40?}"));
        let mut counts: Vec<u32> = Vec::new();
        let mut characters = text.bytes().enumerate();
        while let Some((at, mut byte)) = characters.next() {
            let (mut value, mut shift) = (0i64, 0);
            loop {
                let bits = byte.wrapping_sub(b'0');
                if bits >= 64 || shift > 35 {
                    return Err(wrong(at, "no number"));
                }
                value |= i64::from(bits & 31) << shift;
                shift += 5;
                if bits & 32 == 0 {
                    if bits & 16 != 0 {
                        value |= -1 << shift;
                    }
                    break;
                }
                byte = characters.next().ok_or_else(|| wrong(at, "a number that does not end"))?.1;
            }
            if counts.len() > 2 {
                value += i64::from(counts[counts.len() - 2]);
            }
            counts.push(u32::try_from(value).map_err(|_| wrong(at, "a run of impossible length"))?);
        }
        Self::from_counts(size, counts)
    }

    /// The compact string.
    pub fn compact(&self) -> String {
        let mut text = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let mut value = i64::from(count) - if i > 2 { i64::from(self.counts[i - 2]) } else { 0 };
            loop {
                let bits = (value & 31) as u8;
                value >>= 5;
                // Done when what is left is only the sign of the last five bits.
                let more = value != if bits & 16 != 0 { -1 } else { 0 };
                text.push(char::from(b'0' + bits + if more { 32 } else { 0 }));
                if !more {
                    break;
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_strings() {
        // By hand: 5 -> '5'; 6 -> '6'; 20 -> 101001 0|00000 -> 'd0'; 3 - 6 = -3 -> 11101 -> 'M'; 2 - 20 -> -18 -> '^O'.
        let mask = Mask::from_counts([6, 6], vec![5, 6, 20, 3, 2]).unwrap();
        assert_eq!(mask.compact(), "56d0M^O");
        assert_eq!(Mask::parse([6, 6], "56d0M^O").unwrap(), mask);
        assert_eq!(Mask::encode(&[0; 4], [2, 2]).compact(), "4");
        assert_eq!(Mask::encode(&[1; 4], [2, 2]).compact(), "04");
    }

    #[test]
    fn malformed_strings_are_errors() {
        for (text, word) in [
            ("5é", "no number"),
            ("5!", "no number"),
            ("5d", "does not end"),
            ("M", "impossible length"),
            ("999", "do not fill"),
            ("dddddddddddddd0", "no number"),
        ] {
            let error = Mask::parse([6, 6], text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(Mask::from_counts([1 << 31, 1 << 10], vec![u32::MAX; 512]).unwrap_err().to_string().contains("larger"));
        assert!(Mask::parse([0, 0], "").unwrap().decode().is_empty());
    }
}
