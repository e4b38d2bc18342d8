//! Reading and writing picture files, with errors that say what is wrong and what would help.
//!
//! Pictures come out as 8-bit RGB and masks as one byte per pixel, whatever the file holds. An orientation tag
//! is not applied, since labels refer to the pixels as they are stored.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use super::jpeg::is_whole;
use super::palette::read_indices;
use crate::{Error, Result};

/// Largest accepted width and height in pixels.
pub const MAX_SIDE: u32 = 32_768;
/// Largest accepted number of pixels: 400 MB as RGB.
pub const MAX_PIXELS: u64 = 1 << 27;

/// File name extensions that a folder of pictures is searched for, in lower case.
pub const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "webp", "jfif"];

/// Whether the name of `path` ends like a picture's.
pub fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.contains(&extension.as_str())
}

/// The picture at `path` as 8-bit RGB; grey is repeated, transparency dropped, 16 bits rounded to 8.
///
/// Fails with [`Error::Io`] if the file cannot be opened and with [`Error::Picture`] if it is empty, of
/// an unknown format, cut short, or larger than [`MAX_SIDE`] or [`MAX_PIXELS`].
pub fn read_picture(path: impl AsRef<Path>) -> Result<RgbImage> {
    Ok(decode(path.as_ref())?.into_rgb8())
}

/// The mask at `path`, one value per pixel: the palette's index where the file has a palette. Other colour files are accepted only where red, green and blue agree;
/// 16-bit values are taken as they are if none is above 255, and scaled to 8 bits otherwise.
///
/// Fails as [`read_picture`] does, and with [`Error::File`] if the file is in colour.
pub fn read_mask(path: impl AsRef<Path>) -> Result<GrayImage> {
    let path = path.as_ref();
    picture_size(path)?;
    if let Some(indices) = read_indices(path)? {
        return Ok(indices);
    }
    let picture = decode(path)?;
    if let DynamicImage::ImageLuma16(wide) = &picture
        && wide.iter().all(|&v| v <= 255)
    {
        let narrow = wide.iter().map(|&v| v as u8).collect();
        return Ok(GrayImage::from_raw(wide.width(), wide.height(), narrow).expect("one byte per pixel"));
    }
    if !picture.color().has_color() {
        return Ok(picture.into_luma8());
    }
    let rgb = picture.into_rgb8();
    if rgb.pixels().any(|p| p[0] != p[1] || p[1] != p[2]) {
        return Err(Error::file(path, "the mask is in colour; save it as greyscale with the class as the grey value"));
    }
    Ok(GrayImage::from_fn(rgb.width(), rgb.height(), |x, y| image::Luma([rgb.get_pixel(x, y)[0]])))
}

/// Width and height that the header of the picture at `path` claims, within the accepted sizes.
pub fn picture_size(path: impl AsRef<Path>) -> Result<(u32, u32)> {
    let path = path.as_ref();
    let decoder = open(path)?.into_decoder().map_err(|e| undecodable(path, &e))?;
    check_size(path, decoder.dimensions())
}

/// Writes `picture` to `path` in the format of its extension, and makes the folder it lies in.
pub fn write_picture(path: impl AsRef<Path>, picture: &DynamicImage) -> Result<()> {
    let path = path.as_ref();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    picture.save(path).map_err(|e| match e {
        ImageError::IoError(e) => Error::io(path, e),
        e => Error::file(path, format!("cannot be written as a picture: {e}")),
    })
}

/// Writes classes (H, W), row by row, as an 8-bit greyscale picture; a binary mask is written as 0 and 255.
pub fn write_mask(path: impl AsRef<Path>, mask: &[u8], size: [usize; 2], binary: bool) -> Result<()> {
    let values = mask.iter().map(|&v| if binary && v == 1 { 255 } else { v }).collect();
    let picture = GrayImage::from_raw(size[1] as u32, size[0] as u32, values).expect("one class per pixel");
    write_picture(path, &picture.into())
}

fn decode(path: &Path) -> Result<DynamicImage> {
    let reader = open(path)?;
    let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
    let mut decoder = reader.into_decoder().map_err(|e| undecodable(path, &e))?;
    check_size(path, decoder.dimensions())?;
    // Other formats' decoders notice it themselves.
    if is_jpeg && !is_whole(&std::fs::read(path).map_err(|e| Error::io(path, e))?) {
        return Err(cut_short(path));
    }
    let mut limits = image::Limits::default();
    // Eight bytes hold a pixel of the widest format; the rest is the decoder's own working memory.
    limits.max_alloc = Some(8 * MAX_PIXELS + (64 << 20));
    decoder.set_limits(limits).map_err(|e| undecodable(path, &e))?;
    DynamicImage::from_decoder(decoder).map_err(|e| undecodable(path, &e))
}

fn open(path: &Path) -> Result<ImageReader<BufReader<File>>> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Error::file(path, "is a folder where a picture is expected"));
    }
    let empty = file.read(&mut [0]).map_err(|e| Error::io(path, e))? == 0;
    if empty {
        return Err(Error::picture(path, "the file is empty; copy it again or remove it"));
    }
    file.rewind().map_err(|e| Error::io(path, e))?;
    let reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|e| Error::io(path, e))?;
    if reader.format().is_none() {
        return Err(Error::picture(path, "is not a PNG, JPEG, BMP or WebP picture; convert it or remove it"));
    }
    Ok(reader)
}

fn check_size(path: &Path, (width, height): (u32, u32)) -> Result<(u32, u32)> {
    if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(too_large(path, &format!("{width}x{height}")));
    }
    Ok((width, height))
}

pub(super) fn too_large(path: &Path, claim: &str) -> Error {
    Error::picture(
        path,
        format!(
            "the header claims {claim} pixels; at most {MAX_SIDE} a side and {MAX_PIXELS} in all are read: scale it \
             down or cut it into pieces"
        ),
    )
}

fn cut_short(path: &Path) -> Error {
    Error::picture(path, format!("the picture is cut short; {CURE}"))
}

/// What helps against a damaged file.
const CURE: &str = "copy it again or remove it";

fn undecodable(path: &Path, error: &ImageError) -> Error {
    let text = error.to_string().replace('\n', " ");
    match error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => cut_short(path),
        ImageError::Unsupported(_) => Error::picture(path, format!("cannot be read ({text}); convert it to 8-bit PNG")),
        ImageError::Limits(_) => too_large(path, "far too many"),
        _ => Error::picture(path, format!("does not decode ({text}); {CURE}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A 40x30 PNG with a gradient, as bytes.
    fn png() -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8 * 8, (x * y) as u8]));
        picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        bytes
    }

    /// What reading `bytes` from a file says.
    fn complaint(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        fs::write(&path, bytes).unwrap();
        let text = read_picture(&path).unwrap_err().to_string();
        assert!(text.starts_with(path.to_str().unwrap()), "names the file: {text}");
        assert!(!text.contains('\n'), "one line: {text}");
        text
    }

    #[test]
    fn bad_files_are_named() {
        assert!(complaint(b"").contains("empty"));
        assert!(complaint(b"hello, this is text").contains("not a PNG"));
        let whole = png();
        for cut in [9, 20, 40, whole.len() / 2, whole.len() - 20] {
            let text = complaint(&whole[..cut]);
            assert!(text.contains("copy it again"), "cut at {cut}: {text}");
        }
    }

    #[test]
    fn a_flipped_byte_is_an_error_and_not_a_panic() {
        let whole = png();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.png");
            fs::write(&path, bytes).unwrap();
            // Some bytes (a checksum's, a palette's) may be wrong unnoticed; nothing may panic.
            if let Err(e) = read_picture(&path) {
                assert!(matches!(e, Error::Picture { .. }), "byte {at}: {e:?}");
            }
        }
    }

    #[test]
    fn absurd_sizes_are_refused_by_the_header() {
        for (side, claim) in [(40_000u32, "40000x40000"), (0x7fff_ffff, "far too many"), (20_000, "20000x20000")] {
            let mut bytes = png();
            bytes[16..20].copy_from_slice(&side.to_be_bytes());
            bytes[20..24].copy_from_slice(&side.to_be_bytes());
            let checksum = crc32(&bytes[12..29]);
            bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
            let text = complaint(&bytes);
            assert!(text.contains(claim) && text.contains("scale it down"), "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = read_picture("nowhere/at/all.png").unwrap_err().to_string();
        assert!(text.starts_with("nowhere/at/all.png: "), "{text}");
        let folder = tempfile::tempdir().unwrap();
        assert!(read_picture(folder.path()).unwrap_err().to_string().contains("folder"));
    }

    #[test]
    fn a_mask_in_colour_is_refused_and_a_grey_one_stored_as_rgb_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.png");
        RgbImage::from_pixel(3, 2, image::Rgb([7, 7, 7])).save(&path).unwrap();
        assert!(read_mask(&path).unwrap().pixels().all(|p| p[0] == 7));
        RgbImage::from_pixel(3, 2, image::Rgb([7, 7, 8])).save(&path).unwrap();
        assert!(read_mask(&path).unwrap_err().to_string().contains("colour"));
        assert_eq!(picture_size(&path).unwrap(), (3, 2));
        write_mask(&path, &[0, 1, 1, 0], [1, 4], true).unwrap();
        assert_eq!(read_mask(&path).unwrap().into_raw(), [0, 255, 255, 0]);
        write_mask(&path, &[0, 1, 2, 255], [2, 2], false).unwrap();
        assert_eq!(read_mask(&path).unwrap().into_raw(), [0, 1, 2, 255]);
    }

    /// The checksum of PNG chunks (ISO 3309), bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &b| {
            (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 })
        })
    }
}
