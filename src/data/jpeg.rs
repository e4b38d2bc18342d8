//! Whether a JPEG file is all there. Decoders fill what is missing with grey and say nothing; a label would then stand on grey.
//!
//! Nothing is decoded here: the markers are followed to the end of the picture (ISO/IEC 10918-1, annex B).

/// End of the picture.
const END: u8 = 0xd9;
/// Start of a scan: coded data follow its header.
const SCAN: u8 = 0xda;

/// Whether the marker that ends the picture is reached. Files that break the rules before that are left to the decoder's judgement,
/// which is to say true.
pub fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some((&first, _)) = rest.split_first() {
        if first != 0xff {
            return true;
        }
        // A marker may have any number of fill bytes before it.
        let Some(at) = rest.iter().position(|&b| b != 0xff) else { return false };
        let marker = rest[at];
        rest = &rest[at + 1..];
        if marker == END {
            return true;
        }
        if stands_alone(marker) {
            continue;
        }
        let Some(length) = rest.get(..2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]]))) else { return false };
        let Some(after) = rest.get(length..) else { return false };
        rest = if marker == SCAN { after_coded(after) } else { after };
    }
    false
}

/// Markers without a segment: restarts, and one for arithmetic coding.
fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd7)
}

/// What follows a scan's coded data, from the next marker that is no part of them.
fn after_coded(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = rest.iter().position(|&b| b == 0xff) {
        match rest.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => rest = &rest[at + 2..],
            Some(_) => return &rest[at..],
            None => return &[],
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_is_noticed() {
        let mut bytes = Vec::new();
        let noise = |x: u32, y: u32| image::Rgb([(x * 97 + y * 41) as u8, (x * y * 13) as u8, (y * 211) as u8]);
        let picture = image::RgbImage::from_fn(48, 40, noise);
        picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg).unwrap();
        assert!(is_whole(&bytes));
        for cut in 0..bytes.len() {
            assert!(!is_whole(&bytes[..cut]), "cut at {cut} of {}", bytes.len());
        }
        bytes.extend([1, 2, 3]);
        assert!(is_whole(&bytes), "what follows the picture does not matter");
    }

    #[test]
    fn restarts_fill_bytes_and_thumbnails_are_passed_over() {
        let head = [0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, END, 7, 7];
        let scan = [0xff, 0xff, SCAN, 0, 3, 9, 1, 2, 0xff, 0, 3, 0xff, 0xd0, 4];
        let cut = [&head[..], &scan].concat();
        assert!(!is_whole(&cut), "the end inside a segment is not the picture's");
        assert!(is_whole(&[&cut[..], &[0xff, END]].concat()));
        assert!(is_whole(&[0xff, 0xd8, 3, 4]), "no marker where one belongs: the decoder's business");
    }
}
