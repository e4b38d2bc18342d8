//! The list of layers: its JSON, and the one that ships with the program. Square pictures, square kernels, as the list's
//! format has them.

use crate::ops::OpRef;
use crate::ops::conv_transpose2d::ConvTranspose2d;
use crate::ops::conv2d::Conv2d;
use crate::{Error, Result};
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;

/// A convolution to time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its name in the results.
    pub id: String,
    /// `conv2d` or `conv_transpose2d`.
    pub op: Kind,
    /// Pictures.
    pub n: usize,
    /// Input channels.
    pub ci: usize,
    /// Height and width of the input.
    pub h: usize,
    /// Output channels.
    pub co: usize,
    /// Height and width of the kernel.
    pub k: usize,
    /// Stride.
    pub s: usize,
    /// Padding on each side.
    pub p: usize,
    /// Dilation.
    pub d: usize,
    /// Groups.
    pub g: usize,
}

/// Which of the two convolutions.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Convolution.
    Conv2d,
    /// Transposed convolution.
    #[serde(rename = "conv_transpose2d")]
    ConvTranspose2d,
}

impl Layer {
    /// (N, H, W, Cin).
    pub fn x_shape(&self) -> [usize; 4] {
        [self.n, self.h, self.h, self.ci]
    }

    /// (K, K, Cin/groups, Cout).
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.k, self.k, self.ci / self.g, self.co]
    }

    /// Multiply-adds of the forward pass, padding included.
    pub fn multiply_adds(&self) -> u64 {
        let out = (self.h + 2 * self.p).saturating_sub(self.d * (self.k - 1) + 1) / self.s + 1;
        let side = if self.op == Kind::ConvTranspose2d { self.h } else { out };
        (self.n * side * side * self.co * (self.ci / self.g) * self.k * self.k) as u64
    }

    /// The op, with a bias or without.
    pub fn op(&self, bias: bool) -> OpRef {
        let (stride, padding, dilation, groups) = ([self.s; 2], [self.p; 4], [self.d; 2], self.g);
        match self.op {
            Kind::Conv2d => Arc::new(Conv2d { stride, padding, dilation, groups, bias, ..Conv2d::default() }),
            Kind::ConvTranspose2d => {
                Arc::new(ConvTranspose2d { stride, padding, dilation, groups, bias, ..ConvTranspose2d::default() })
            }
        }
    }
}

/// Reads a list of layers. Fails with the file's name where it is no such list or a number makes no sense.
pub fn read_layers(path: &Path) -> Result<Vec<Layer>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let layers: Vec<Layer> =
        serde_json::from_str(&text).map_err(|e| Error::file(path, format!("no list of layers: {e}")))?;
    for layer in &layers {
        let fields = [layer.n, layer.ci, layer.h, layer.co, layer.k, layer.s, layer.d, layer.g];
        if fields.contains(&0) || fields.iter().any(|&v| v > 1 << 16) || layer.p > 1 << 16 {
            let message = format!("layer '{}': only the padding may be 0, and nothing above 65536", layer.id);
            return Err(Error::file(path, message));
        }
    }
    Ok(layers)
}

/// Layers of YOLOv2-tiny, ResNet-50-FPN, U-Net, DeepLab and Mask R-CNN.
pub fn built_in_layers() -> Vec<Layer> {
    const LAYERS: [(&str, Kind, [usize; 9]); 15] = [
        ("yolo-stem", Kind::Conv2d, [1, 3, 416, 16, 3, 1, 1, 1, 1]),
        ("yolo-c3", Kind::Conv2d, [1, 32, 104, 64, 3, 1, 1, 1, 1]),
        ("yolo-c6", Kind::Conv2d, [1, 256, 13, 512, 3, 1, 1, 1, 1]),
        ("r50-stem", Kind::Conv2d, [1, 3, 224, 64, 7, 2, 3, 1, 1]),
        ("r50-1x1-up", Kind::Conv2d, [1, 64, 56, 256, 1, 1, 0, 1, 1]),
        ("r50-1x1-down", Kind::Conv2d, [1, 1024, 14, 256, 1, 1, 0, 1, 1]),
        ("r50-3x3", Kind::Conv2d, [1, 128, 28, 128, 3, 1, 1, 1, 1]),
        ("r50-3x3-s2", Kind::Conv2d, [1, 128, 56, 128, 3, 2, 1, 1, 1]),
        ("r50-c5", Kind::Conv2d, [1, 512, 7, 512, 3, 1, 1, 1, 1]),
        ("fpn-p3", Kind::Conv2d, [1, 256, 40, 256, 3, 1, 1, 1, 1]),
        ("unet-enc1", Kind::Conv2d, [1, 64, 128, 64, 3, 1, 1, 1, 1]),
        ("deeplab-d12", Kind::Conv2d, [1, 256, 28, 256, 3, 1, 12, 12, 1]),
        ("depthwise", Kind::Conv2d, [1, 256, 56, 256, 3, 1, 1, 1, 256]),
        ("unet-up", Kind::ConvTranspose2d, [1, 256, 32, 128, 2, 2, 0, 1, 1]),
        ("mask-up", Kind::ConvTranspose2d, [16, 256, 14, 256, 2, 2, 0, 1, 1]),
    ];
    let layer = |&(id, op, [n, ci, h, co, k, s, p, d, g]): &(&str, Kind, [usize; 9])| Layer {
        id: id.to_string(),
        op,
        n,
        ci,
        h,
        co,
        k,
        s,
        p,
        d,
        g,
    };
    LAYERS.iter().map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_and_wrong_ones_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("layers.json");
        let one = r#"{"id":"up","op":"conv_transpose2d","n":1,"ci":4,"h":8,"co":2,"k":2,"s":2,"p":0,"d":1,"g":1}"#;
        std::fs::write(&path, format!("[{one}]")).expect("writes");
        let layers = read_layers(&path).expect("reads");
        assert_eq!((layers[0].op, layers[0].multiply_adds()), (Kind::ConvTranspose2d, 8 * 8 * 4 * 2 * 4));
        for wrong in
            ["{}", &format!("[{}]", one.replace("\"g\":1", "\"g\":0")), &format!("[{}]", one.replace("\"g\"", "\"q\""))]
        {
            std::fs::write(&path, wrong).expect("writes");
            assert!(read_layers(&path).expect_err(wrong).to_string().contains("layers.json"));
        }
    }

    #[test]
    fn the_built_in_list_names_each_layer_once() {
        let mut ids: Vec<String> = built_in_layers().into_iter().map(|l| l.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 15);
    }
}
