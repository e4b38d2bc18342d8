//! Reading and writing `.safetensors` files.

use crate::tensor::{DType, Tensor, TensorType};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

/// Named tensors and metadata, as a `.safetensors` file holds them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorFile {
    /// Free text by key.
    pub metadata: BTreeMap<String, String>,
    /// Tensors by name, in the file's order of dimensions.
    pub tensors: BTreeMap<String, Tensor>,
}

impl TensorFile {
    /// Reads a file. Half floats become f32, 64-bit integers i32 where they fit, bytes u32. Fails on a file that is missing, cut short, no
    /// safetensors, or of another element type; memory use is bounded by the file's size.
    pub fn read(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        let facts = file.metadata().map_err(|e| Error::io(path, e))?;
        if facts.is_dir() {
            return Err(Error::file(path, "is a folder where a safetensors file is expected"));
        }
        let length = facts.len();
        if length < 8 {
            return Err(Error::file(path, format!("is {length} bytes long, too short for a safetensors file")));
        }
        // SAFETY: the map is read only and dropped before this function returns. Another process that truncates the file
        // meanwhile would end this one with a signal; model files are replaced by renaming, never cut in place.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io(path, e))?;
        Self::parse(path, &map)
    }

    /// Like [`TensorFile::read`], from bytes; `path` names them in errors.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        if is_pickle(bytes) {
            return Err(Error::file(path, conversion(path)));
        }
        let damaged = |e: safetensors::SafeTensorError| {
            Error::file(
                path,
                format!("is no whole safetensors file ({e}); it may be cut short or damaged, copy it again"),
            )
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let parsed = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in parsed.tensors() {
            tensors.insert(name.clone(), from_view(path, &name, &view)?);
        }
        Ok(Self { metadata, tensors })
    }

    /// Writes the file beside `path`, syncs it and moves it there. Integers named `num_batches_tracked` become 64-bit ones, as PyTorch
    /// has them.
    pub fn write(&self, path: &Path) -> Result<()> {
        let stored: Vec<(&String, Dtype, &Tensor, Cow<'_, [u8]>)> = self
            .tensors
            .iter()
            .map(|(name, t)| {
                let (dtype, bytes) = stored(name, t);
                (name, dtype, t, bytes)
            })
            .collect();
        let views = stored.iter().map(|(name, dtype, t, bytes)| {
            let view = TensorView::new(*dtype, t.shape().to_vec(), bytes).expect("bytes fill the shape");
            (name.as_str(), view)
        });
        let metadata: HashMap<String, String> = self.metadata.clone().into_iter().collect();
        let bytes = safetensors::serialize(views, (!metadata.is_empty()).then_some(metadata))
            .map_err(|e| Error::file(path, format!("cannot be written: {e}")))?;
        write_atomically(path, &bytes)
    }

    /// A tensor that must be there.
    pub fn get(&self, path: &Path, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| Error::file(path, format!("has no tensor '{name}'")))
    }
}

/// A tensor's element type and bytes in a file.
fn stored<'a>(name: &str, t: &'a Tensor) -> (Dtype, Cow<'a, [u8]>) {
    let dtype = match t.dtype() {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::I32 if name.ends_with("num_batches_tracked") => {
            let wide = t.as_i32().iter().flat_map(|&v| i64::from(v).to_le_bytes()).collect();
            return (Dtype::I64, Cow::Owned(wide));
        }
        DType::I32 => Dtype::I32,
        DType::U32 => Dtype::U32,
    };
    (dtype, Cow::Borrowed(t.bytes()))
}

/// Whether these are the first bytes of what `torch.save` writes: a zip archive, or a pickle in older versions. A safetensors file may begin
/// with the same bytes, which are a length there, but its ninth is a brace.
fn is_pickle(bytes: &[u8]) -> bool {
    (bytes.starts_with(b"PK\x03\x04") || bytes.first() == Some(&0x80)) && bytes.get(8) != Some(&b'{')
}

/// How to make a safetensors file of a pickle.
fn conversion(path: &Path) -> String {
    let name = path.display().to_string();
    let to = path.with_extension("safetensors").display().to_string();
    format!(
        "is a file of torch.save, which may run code when it is opened and is not read; convert it once in Python:\n\
         import torch, safetensors.torch; state = torch.load({name:?}, map_location=\"cpu\", weights_only=True)\n\
         safetensors.torch.save_file({{k: v.contiguous() for k, v in state.items()}}, {to:?})"
    )
}

fn from_view(path: &Path, name: &str, view: &TensorView<'_>) -> Result<Tensor> {
    let bytes = view.data();
    let shape = view.shape();
    let floats = |values: Vec<f32>| Ok(Tensor::f32(shape, values));
    match view.dtype() {
        Dtype::F32 => Ok(Tensor::from_bytes(TensorType::f32(shape), bytes)),
        Dtype::I32 => Ok(Tensor::from_bytes(TensorType::i32(shape), bytes)),
        Dtype::U32 => Ok(Tensor::from_bytes(TensorType::u32(shape), bytes)),
        Dtype::U8 => Ok(Tensor::u32(shape, bytes.iter().map(|&b| u32::from(b)).collect())),
        Dtype::F64 => floats(chunks::<8>(bytes).map(|b| f64::from_le_bytes(b) as f32).collect()),
        Dtype::F16 => floats(chunks::<2>(bytes).map(|b| half::f16::from_le_bytes(b).to_f32()).collect()),
        Dtype::BF16 => floats(chunks::<2>(bytes).map(|b| half::bf16::from_le_bytes(b).to_f32()).collect()),
        Dtype::I64 => {
            let narrow = |b| i32::try_from(i64::from_le_bytes(b));
            let values: Result<Vec<i32>, _> = chunks::<8>(bytes).map(narrow).collect();
            let values =
                values.map_err(|_| Error::file(path, format!("tensor '{name}' holds integers beyond 32 bits")))?;
            Ok(Tensor::i32(shape, values))
        }
        other => {
            Err(Error::file(path, format!("tensor '{name}' has elements of type {other:?}, which are not supported")))
        }
    }
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).map(|c| c.try_into().expect("chunks of N"))
}

/// Writes `bytes` beside `path`, syncs and renames: whoever reads `path` finds the old file or the new one, whole.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = folder.join(name);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        // The rename itself must survive a power cut; folders cannot be synced everywhere.
        if let Ok(folder) = std::fs::File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    };
    write().map_err(|e| {
        let _ = std::fs::remove_file(&beside);
        Error::io(path, e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> TensorFile {
        let mut file = TensorFile::default();
        file.metadata.insert("architecture".into(), "unet".into());
        file.tensors.insert("w".into(), Tensor::f32([2, 3], vec![1.0, -2.0, 3.5, 0.0, 1e-8, 6.0]));
        file.tensors.insert("n".into(), Tensor::i32([2], vec![-1, 7]));
        file
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/m.safetensors");
        sample().write(&path).unwrap();
        assert_eq!(TensorFile::read(&path).unwrap(), sample());
        let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing is left beside the file");
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        sample().write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 4, 8, 20, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let message = TensorFile::read(&path).unwrap_err().to_string();
            assert!(message.contains("m.safetensors") && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn an_absurd_header_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.extend([b'x'; 64]);
        std::fs::write(&path, &bytes).unwrap();
        assert!(TensorFile::read(&path).is_err());
        let header = br#"{"w":{"dtype":"F32","shape":[4000000000,4000000000],"data_offsets":[0,64]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend([0; 64]);
        std::fs::write(&path, &bytes).unwrap();
        assert!(TensorFile::read(&path).is_err());
    }

    #[test]
    fn narrow_and_wide_types_convert() {
        let halves: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect();
        let longs: Vec<u8> = [3i64, -4].iter().flat_map(|v| v.to_le_bytes()).collect();
        let views = [
            ("h", TensorView::new(Dtype::F16, vec![2], &halves).unwrap()),
            ("l", TensorView::new(Dtype::I64, vec![2], &longs).unwrap()),
        ];
        let bytes = safetensors::serialize(views, None).unwrap();
        let file = TensorFile::parse(Path::new("x"), &bytes).unwrap();
        assert_eq!(file.tensors["h"].as_f32(), [1.5, -2.0]);
        assert_eq!(file.tensors["l"].as_i32(), [3, -4]);
    }

    #[test]
    fn files_of_torch_save_are_refused_with_the_way_to_convert_them() {
        let zip = b"PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl".as_slice();
        let pickle = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".as_slice();
        for bytes in [zip, pickle] {
            let message = TensorFile::parse(Path::new("runs/model.pth"), bytes).unwrap_err().to_string();
            assert!(message.contains(r#"torch.load("runs/model.pth""#), "{message}");
            assert!(message.contains(r#""runs/model.safetensors")"#) && message.lines().count() == 3, "{message}");
        }
        // A header of 128 bytes begins as a pickle does.
        let file = TensorFile { tensors: sample().tensors, ..Default::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        file.write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
        assert!(length <= 128, "{length}");
        let mut bytes = 128u64.to_le_bytes().to_vec();
        bytes.extend(&whole[8..8 + length]);
        bytes.resize(8 + 128, b' ');
        bytes.extend(&whole[8 + length..]);
        assert_eq!(TensorFile::parse(&path, &bytes).unwrap(), file);
    }

    #[test]
    fn counters_of_batches_have_64_bits() {
        let tensors = [("bn.num_batches_tracked".to_string(), Tensor::i32([], vec![3]))].into();
        let file = TensorFile { tensors, ..Default::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        file.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let parsed = SafeTensors::deserialize(&bytes).unwrap();
        let view = parsed.tensor("bn.num_batches_tracked").unwrap();
        assert_eq!((view.dtype(), view.shape().len()), (Dtype::I64, 0));
        assert_eq!(TensorFile::read(&path).unwrap(), file);
    }
}
