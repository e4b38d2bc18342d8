//! Masks stored as palette PNGs, the way Pascal VOC and several labelling tools write them: the class is the index
//! into the palette, and the colours are only for the eye.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::GrayImage;
use png::{ColorType, Decoder, Transformations};

use super::picture::too_large;
use crate::{Error, Result};

/// The palette indices of the PNG at `path`, or `None` if it is another kind of picture. Its header must have been
/// found to be of an acceptable size.
pub(super) fn read_indices(path: &Path) -> Result<Option<GrayImage>> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut decoder = Decoder::new(BufReader::new(file));
    decoder.set_transformations(Transformations::IDENTITY);
    // Whatever is wrong with the file, the general decoder says it better.
    let Ok(mut reader) = decoder.read_info() else { return Ok(None) };
    if reader.info().color_type != ColorType::Indexed {
        return Ok(None);
    }
    let size = reader.output_buffer_size().ok_or_else(|| too_large(path, "far too many"))?;
    let mut packed = vec![0; size];
    let frame = reader
        .next_frame(&mut packed)
        .map_err(|e| Error::picture(path, format!("does not decode ({e}); copy it again or remove it")))?;

    let (width, bits) = (frame.width as usize, frame.bit_depth as usize);
    let index = |row: &[u8], x: usize| {
        let shift = 8 - bits - x * bits % 8;
        (row[x * bits / 8] >> shift) & (0xff >> (8 - bits))
    };
    let rows = packed.chunks_exact(frame.line_size).take(frame.height as usize);
    let indices = rows.flat_map(|row| (0..width).map(move |x| index(row, x))).collect();
    Ok(GrayImage::from_raw(frame.width, frame.height, indices))
}

#[cfg(test)]
mod tests {
    use crate::data::picture::{read_mask, read_picture};
    use png::{BitDepth, ColorType, Encoder};
    use std::fs;

    /// A palette PNG of 5x2 with the given packed rows.
    fn palette_png(depth: BitDepth, rows: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 5, 2);
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(depth);
        encoder.set_palette((0..=255u8).flat_map(|i| [i ^ 0x80, 3, i]).take(3 << depth as usize).collect::<Vec<u8>>());
        encoder.write_header().unwrap().write_image_data(rows).unwrap();
        bytes
    }

    #[test]
    fn the_class_is_the_index_at_every_depth() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.png");
        for (depth, rows, want) in [
            (BitDepth::Eight, &[0, 1, 2, 20, 255, 5, 4, 3, 2, 1][..], [0, 1, 2, 20, 255, 5, 4, 3, 2, 1]),
            (BitDepth::Four, &[0x01, 0x2f, 0x30, 0x98, 0x76, 0x50], [0, 1, 2, 15, 3, 9, 8, 7, 6, 5]),
            (BitDepth::Two, &[0x1b, 0x40, 0xe4, 0x80], [0, 1, 2, 3, 1, 3, 2, 1, 0, 2]),
            (BitDepth::One, &[0x68, 0x90], [0, 1, 1, 0, 1, 1, 0, 0, 1, 0]),
        ] {
            fs::write(&path, palette_png(depth, rows)).unwrap();
            let mask = read_mask(&path).unwrap();
            assert_eq!((mask.dimensions(), mask.as_raw()[..].to_vec()), ((5, 2), want.to_vec()), "{depth:?}");
        }
        assert_eq!(read_picture(&path).unwrap().get_pixel(0, 0).0, [0x80, 3, 0], "as a picture it has its colours");
    }

    #[test]
    fn a_mask_cut_short_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.png");
        let whole = palette_png(BitDepth::Eight, &[1; 10]);
        for cut in 0..whole.len() - 12 {
            fs::write(&path, &whole[..cut]).unwrap();
            let text = read_mask(&path).unwrap_err().to_string();
            assert!(text.contains("m.png: ") && !text.contains('\n'), "cut at {cut}: {text}");
        }
    }
}
