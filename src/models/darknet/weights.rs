//! Darknet's `.weights` files, read to the last byte and written back byte for byte.
//!
//! A header (three i32 of version, then how many pictures were seen in training) and then nothing but floats, little-endian, layer by
//! layer: nothing in the file says which network it belongs to, so the count of bytes is the one check there is, beside variances
//! that must not be negative.

use crate::nn::ParameterSpec;
use crate::tensor::layout::{Layout, permute};
use crate::tensor::{Shape, Tensor, TensorType};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// What a `.weights` file says before its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version.
    pub major: i32,
    /// Version. From 0.2 on `seen` has 64 bits.
    pub minor: i32,
    /// Version.
    pub revision: i32,
    /// Pictures seen in training.
    pub seen: u64,
}

impl Default for Header {
    fn default() -> Self {
        Self { major: 0, minor: 2, revision: 0, seen: 0 }
    }
}

impl Header {
    /// `seen` has 64 bits.
    fn long(&self) -> bool {
        let old = i64::from(self.major) * 10 + i64::from(self.minor) < 2;
        !old && self.major < 1000 && self.minor < 1000
    }

    /// Connected layers are stored as (inputs, outputs).
    fn transposed(&self) -> bool {
        self.major > 1000 || self.minor > 1000
    }

    /// The header and how many bytes it takes.
    fn parse(path: &Path, bytes: &[u8]) -> Result<(Self, usize)> {
        let word = |i: usize| -> Result<[u8; 4]> {
            let found = bytes.get(4 * i..4 * i + 4).and_then(|b| b.try_into().ok());
            found.ok_or_else(|| {
                Error::file(path, format!("is {} bytes long, too short for the header of a weights file", bytes.len()))
            })
        };
        let int = |i: usize| word(i).map(i32::from_le_bytes);
        let mut header = Self { major: int(0)?, minor: int(1)?, revision: int(2)?, seen: 0 };
        header.seen = u64::from(u32::from_le_bytes(word(3)?));
        if header.long() {
            header.seen |= u64::from(u32::from_le_bytes(word(4)?)) << 32;
        }
        Ok((header, if header.long() { 20 } else { 16 }))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = [self.major, self.minor, self.revision].iter().flat_map(|v| v.to_le_bytes()).collect();
        match self.long() {
            true => bytes.extend(self.seen.to_le_bytes()),
            // An old header holds the low half, as the program that wrote it did.
            false => bytes.extend((self.seen as u32).to_le_bytes()),
        }
        bytes
    }
}

/// A `.weights` file.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Its header.
    pub header: Header,
    /// Tensors by parameter name, in the device's layouts.
    pub tensors: BTreeMap<String, Tensor>,
}

/// One run of numbers in a file: which parameters it fills, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A vector.
    Plain(String),
    /// A vector of variances.
    Variance(String),
    /// (O, I, KH, KW).
    Conv(String),
    /// (out, in), or (in, out) in transposed files; each parameter has the next outputs.
    Connected(Vec<String>),
    /// The biases (C, H, W) and then, for each place, (filters, channels, taps).
    Local {
        /// Scope of the layer's parameters.
        name: String,
        /// Rows of places, each a parameter.
        rows: usize,
        /// Taps and channels.
        taps: [usize; 2],
    },
}

impl Record {
    /// A vector.
    pub fn plain(name: String) -> Self {
        Self::Plain(name)
    }

    /// A convolution's weights.
    pub fn conv(name: String) -> Self {
        Self::Conv(name)
    }

    /// A connected layer's weights, cut into parameters of some outputs each.
    pub fn connected(names: Vec<String>) -> Self {
        Self::Connected(names)
    }

    /// A local layer's biases and weights.
    pub fn local(name: String, rows: usize, taps: [usize; 2]) -> Self {
        Self::Local { name, rows, taps }
    }

    /// Shift, scale, mean and variance of the batch norm of layer `name`.
    pub fn batch_norm(name: &str) -> [Self; 4] {
        let plain = |what: &str| Self::Plain(format!("{name}.bn.{what}"));
        [plain("bias"), plain("weight"), plain("running_mean"), Self::Variance(format!("{name}.bn.running_var"))]
    }

    /// Names of the parameters, in the order of the numbers.
    fn names(&self) -> Vec<String> {
        match self {
            Self::Plain(name) | Self::Variance(name) | Self::Conv(name) => vec![name.clone()],
            Self::Connected(names) => names.clone(),
            Self::Local { name, rows, .. } => std::iter::once(format!("{name}.bias"))
                .chain((0..*rows).map(|row| format!("{name}.weight.{row}")))
                .collect(),
        }
    }

    /// The parameters of this record, whose types on the device are `types`, from all its numbers.
    fn import(&self, types: &[&TensorType], transposed: bool, numbers: Vec<f32>) -> Vec<Tensor> {
        if let (Self::Connected(_), true) = (self, transposed) {
            return columns(types, &numbers);
        }
        let mut numbers = numbers.into_iter();
        let one = |(i, ty): (usize, &&TensorType)| {
            let own = numbers.by_ref().take(ty.elements()).collect();
            self.import_one(i, &ty.shape, own)
        };
        types.iter().enumerate().map(one).collect()
    }

    fn import_one(&self, i: usize, shape: &Shape, numbers: Vec<f32>) -> Tensor {
        match self {
            Self::Conv(_) => {
                let [kh, kw, inputs, out] = shape.nhwc().expect("rank 4");
                Layout::ConvWeight.import(&Tensor::f32([out, inputs, kh, kw], numbers))
            }
            Self::Connected(_) => Layout::LinearWeight.import(&Tensor::f32([shape[1], shape[0]], numbers)),
            Self::Local { .. } if i == 0 => Layout::Chw.import(&Tensor::f32([shape[2], shape[0], shape[1]], numbers)),
            Self::Local { taps: [taps, channels], .. } => {
                let file = Tensor::f32([shape[0], shape[2], *channels, *taps], numbers);
                permute(&file, &[0, 3, 2, 1]).reshaped(shape).expect("the same count")
            }
            _ => Tensor::f32(shape, numbers),
        }
    }

    /// The other way round: all numbers of this record from its parameters.
    fn export(&self, values: &[&Tensor], transposed: bool) -> Vec<f32> {
        if let (Self::Connected(_), true) = (self, transposed) {
            let width = |v: &Tensor| v.shape()[1];
            let row = |r: usize, v: &&Tensor| v.as_f32()[r * width(v)..(r + 1) * width(v)].to_vec();
            return (0..values[0].shape()[0]).flat_map(|r| values.iter().flat_map(move |v| row(r, v))).collect();
        }
        values.iter().enumerate().flat_map(|(i, v)| self.export_one(i, v).as_f32().to_vec()).collect()
    }

    fn export_one(&self, i: usize, value: &Tensor) -> Tensor {
        match self {
            Self::Conv(_) => Layout::ConvWeight.export(value),
            Self::Connected(_) => Layout::LinearWeight.export(value),
            Self::Local { .. } if i == 0 => Layout::Chw.export(value),
            Self::Local { taps: [taps, channels], .. } => {
                let shape = value.shape();
                let split = value.clone().reshaped([shape[0], *taps, *channels, shape[2]]).expect("the same count");
                permute(&split, &[0, 3, 2, 1])
            }
            _ => value.clone(),
        }
    }
}

/// A matrix (in, out), row by row, cut into matrices of some of its columns each.
fn columns(types: &[&TensorType], numbers: &[f32]) -> Vec<Tensor> {
    let out: usize = types.iter().map(|ty| ty.shape[1]).sum();
    let mut first = 0;
    let mut one = |ty: &TensorType| {
        let range = first..first + ty.shape[1];
        first = range.end;
        Tensor::f32(&ty.shape, numbers.chunks_exact(out).flat_map(|row| row[range.clone()].to_vec()).collect())
    };
    types.iter().map(|ty| one(ty)).collect()
}

/// Reads `bytes` of the file `path` for the network of `cfg`. Fails unless its records take exactly all of them.
pub fn read(path: &Path, bytes: &[u8], cfg: &Path, records: &[Record], specs: &[ParameterSpec]) -> Result<Weights> {
    let (header, start) = Header::parse(path, bytes)?;
    let types = types(specs);
    let names = records.iter().flat_map(Record::names);
    let values: u64 = names.map(|name| types[name.as_str()].elements() as u64).sum();
    let (need, found) = (4 * values, (bytes.len() - start) as u64);
    if need != found {
        let what = if found < need { "short: it is cut off or" } else { "long: it" };
        return Err(Error::file(
            path,
            format!(
                "holds {found} bytes after its header of {start}, but {} needs {need} ({values} values); {} bytes too \
                 {what} belongs to another cfg",
                cfg.display(),
                need.abs_diff(found)
            ),
        ));
    }
    let mut numbers = bytes[start..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("chunks of four")));
    let mut tensors = BTreeMap::new();
    for record in records {
        let names = record.names();
        let types: Vec<&TensorType> = names.iter().map(|name| types[name.as_str()]).collect();
        let taken: Vec<f32> = numbers.by_ref().take(types.iter().map(|ty| ty.elements()).sum()).collect();
        // Written so that NaN is refused as well.
        if matches!(record, Record::Variance(_)) && !taken.iter().all(|v| *v >= 0.0 && v.is_finite()) {
            let message =
                format!("has a negative variance in '{}'; it belongs to another cfg than {}", names[0], cfg.display());
            return Err(Error::file(path, message));
        }
        tensors.extend(names.into_iter().zip(record.import(&types, header.transposed(), taken)));
    }
    Ok(Weights { header, tensors })
}

/// The bytes of a file with these tensors. Fails if one is missing or of another type.
pub fn write(weights: &Weights, records: &[Record], specs: &[ParameterSpec]) -> Result<Vec<u8>> {
    let types = types(specs);
    let mut bytes = weights.header.bytes();
    for record in records {
        let mut values = Vec::new();
        for name in record.names() {
            let value = weights.tensors.get(&name);
            let value = value.ok_or_else(|| Error::Usage(format!("there is no tensor '{name}' to write")))?;
            let ty = types[name.as_str()];
            if value.ty() != *ty {
                return Err(Error::Usage(format!("tensor '{name}' is {}, {ty} was expected", value.ty())));
            }
            values.push(value);
        }
        bytes.extend(record.export(&values, weights.header.transposed()).into_iter().flat_map(f32::to_le_bytes));
    }
    Ok(bytes)
}

fn types(specs: &[ParameterSpec]) -> BTreeMap<&str, &TensorType> {
    specs.iter().map(|spec| (spec.name.as_str(), &spec.ty)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connected_layer_in_shards_is_one_matrix_in_the_file() {
        let types = [TensorType::f32([2, 2]), TensorType::f32([2, 1])];
        let types: Vec<&TensorType> = types.iter().collect();
        let record = Record::connected(vec!["a".into(), "b".into()]);
        // Output o of input i is 10 i + o.
        let wanted = [vec![0.0, 1.0, 10.0, 11.0], vec![2.0, 12.0]];
        for (transposed, file) in
            [(false, [0.0, 10.0, 1.0, 11.0, 2.0, 12.0]), (true, [0.0, 1.0, 2.0, 10.0, 11.0, 12.0])]
        {
            let made = record.import(&types, transposed, file.to_vec());
            assert_eq!(made.iter().map(|t| t.as_f32().to_vec()).collect::<Vec<_>>(), wanted, "{transposed}");
            assert_eq!(record.export(&made.iter().collect::<Vec<_>>(), transposed), file);
        }
    }

    #[test]
    fn headers_of_every_age_survive() {
        let cases = [
            (Header { major: 0, minor: 1, revision: 0, seen: 7 }, 16, false),
            (Header { major: 0, minor: 2, revision: 5, seen: 5 << 32 | 7 }, 20, false),
            (Header { major: 1, minor: 0, revision: 0, seen: u64::MAX }, 20, false),
            (Header { major: 1001, minor: 0, revision: 0, seen: 9 }, 16, true),
            (Header { major: 0, minor: 1001, revision: 0, seen: 9 }, 16, true),
            (Header { major: i32::MAX, minor: -1, revision: 0, seen: 9 }, 16, true),
        ];
        for (header, length, transposed) in cases {
            let bytes = header.bytes();
            assert_eq!((bytes.len(), header.transposed()), (length, transposed), "{header:?}");
            assert_eq!(Header::parse(Path::new("x"), &bytes).unwrap(), (header, length));
            for cut in 0..length {
                let message = Header::parse(Path::new("x"), &bytes[..cut]).unwrap_err().to_string();
                assert_eq!(message, format!("x: is {cut} bytes long, too short for the header of a weights file"));
            }
        }
    }
}
