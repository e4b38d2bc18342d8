//! The one place where NCHW meets NHWC and OIHW meets HWIO. Used when loading and saving, never inside a graph.

use super::{Data, Shape, Tensor};

/// How an argument of an op is laid out outside this crate, in PyTorch's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Same order of dimensions on both sides.
    Plain,
    /// Pictures: NCHW outside, NHWC inside. Ranks other than 4 stay as they are.
    Image,
    /// One value for each element of a picture: (C, H, W) outside, (H, W, C) inside. Other ranks stay as they are.
    Chw,
    /// conv2d weights: (O, I/g, KH, KW) outside, (KH, KW, I/g, O) inside.
    ConvWeight,
    /// conv_transpose2d weights: (I, O/g, KH, KW) outside, (KH, KW, I/g, O) inside, where the
    /// rows of group `q` hold its own input channels.
    ConvTransposeWeight {
        /// Number of groups, needed to tell the blocks apart.
        groups: usize,
    },
    /// linear weights: (O, I) outside, (I, O) inside.
    LinearWeight,
    /// linear weights over a flattened picture: (O, C*H*W) outside, (H*W*C, O) inside.
    FlattenedWeight {
        /// Height of the picture.
        height: usize,
        /// Its width.
        width: usize,
    },
}

impl Layout {
    /// From PyTorch's order to this crate's.
    pub fn import(self, t: &Tensor) -> Tensor {
        match (self, t.shape().rank()) {
            (Self::Image, 4) => permute(t, &[0, 2, 3, 1]),
            (Self::Chw, 3) => permute(t, &[1, 2, 0]),
            (Self::ConvWeight, 4) => permute(t, &[2, 3, 1, 0]),
            (Self::LinearWeight, 2) => permute(t, &[1, 0]),
            (Self::FlattenedWeight { height, width }, 2) => {
                let (o, i) = (t.shape()[0], t.shape()[1]);
                let split = t.clone().reshaped([o, i / (height * width), height, width]).expect("whole channels");
                permute(&split, &[2, 3, 1, 0]).reshaped([i, o]).expect("same elements")
            }
            (Self::ConvTransposeWeight { groups: g }, 4) => {
                // (g, I/g, O/g, KH, KW) -> (KH, KW, I/g, g, O/g)
                let [i, og, kh, kw] = t.shape().nhwc().expect("rank 4");
                let split = t.clone().reshaped([g, i / g, og, kh, kw]).expect("groups divide the input channels");
                permute(&split, &[3, 4, 1, 0, 2]).reshaped([kh, kw, i / g, g * og]).expect("same elements")
            }
            _ => t.clone(),
        }
    }

    /// From this crate's order to PyTorch's; the inverse of [`Layout::import`].
    pub fn export(self, t: &Tensor) -> Tensor {
        match (self, t.shape().rank()) {
            (Self::Image, 4) => permute(t, &[0, 3, 1, 2]),
            (Self::Chw, 3) => permute(t, &[2, 0, 1]),
            (Self::ConvWeight, 4) => permute(t, &[3, 2, 0, 1]),
            (Self::LinearWeight, 2) => permute(t, &[1, 0]),
            (Self::FlattenedWeight { height, width }, 2) => {
                let (i, o) = (t.shape()[0], t.shape()[1]);
                let split = t.clone().reshaped([height, width, i / (height * width), o]).expect("whole channels");
                permute(&split, &[3, 2, 0, 1]).reshaped([o, i]).expect("same elements")
            }
            (Self::ConvTransposeWeight { groups: g }, 4) => {
                let [kh, kw, ig, o] = t.shape().nhwc().expect("rank 4");
                let split = t.clone().reshaped([kh, kw, ig, g, o / g]).expect("groups divide the output channels");
                permute(&split, &[3, 2, 4, 0, 1]).reshaped([g * ig, o / g, kh, kw]).expect("same elements")
            }
            _ => t.clone(),
        }
    }
}

/// The tensor with its dimensions reordered: output dimension `i` is input dimension `order[i]`.
pub fn permute(t: &Tensor, order: &[usize]) -> Tensor {
    fn run<T: Copy>(src: &[T], shape: &Shape, order: &[usize]) -> (Shape, Vec<T>) {
        let strides = shape.strides();
        let out: Shape = order.iter().map(|&d| shape[d]).collect::<Vec<_>>().into();
        let step: Vec<usize> = order.iter().map(|&d| strides[d]).collect();
        let mut index = vec![0; order.len()];
        let mut offset = 0;
        let mut dst = Vec::with_capacity(src.len());
        for _ in 0..src.len() {
            dst.push(src[offset]);
            for d in (0..order.len()).rev() {
                index[d] += 1;
                offset += step[d];
                if index[d] < out[d] {
                    break;
                }
                offset -= step[d] * out[d];
                index[d] = 0;
            }
        }
        (out, dst)
    }
    assert_eq!(order.len(), t.shape().rank(), "one entry of the order per dimension");
    let (shape, data) = match t.data() {
        Data::F32(v) => {
            let (s, d) = run(v, t.shape(), order);
            (s, Data::F32(d))
        }
        Data::F16(v) => {
            let (s, d) = run(v, t.shape(), order);
            (s, Data::F16(d))
        }
        Data::I32(v) => {
            let (s, d) = run(v, t.shape(), order);
            (s, Data::I32(d))
        }
        Data::U32(v) => {
            let (s, d) = run(v, t.shape(), order);
            (s, Data::U32(d))
        }
    };
    Tensor::new(shape, data).expect("a permutation keeps the count")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn export_undoes_import() {
        let t = Tensor::f32([4, 3, 2, 5], (0..120).map(|v| v as f32).collect());
        for layout in [Layout::Image, Layout::ConvWeight, Layout::ConvTransposeWeight { groups: 2 }, Layout::Plain] {
            assert_eq!(layout.export(&layout.import(&t)), t, "{layout:?}");
        }
    }

    /// y = W flatten(x) is the same number whether x is flattened as (C, H, W) or as (H, W, C).
    #[test]
    fn a_flattened_picture_meets_its_weights() {
        let x = Tensor::f32([1, 2, 3, 2], (0..12).map(|v| v as f32).collect());
        let weight = Tensor::f32([1, 12], (0..12).map(|v| (v * v) as f32).collect());
        let layout = Layout::FlattenedWeight { height: 3, width: 2 };
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let outside = dot(x.as_f32(), weight.as_f32());
        let inside = dot(Layout::Image.import(&x).as_f32(), layout.import(&weight).as_f32());
        assert_eq!(outside, inside);
        assert_eq!(layout.export(&layout.import(&weight)), weight);
    }

    #[test]
    fn nchw_becomes_nhwc() {
        let t = Tensor::f32([1, 2, 1, 3], vec![0., 1., 2., 10., 11., 12.]);
        assert_eq!(Layout::Image.import(&t).as_f32(), [0., 10., 1., 11., 2., 12.]);
    }
}
