//! How large a tile the kernels for real GPUs make, which pass both factors through workgroup memory: the convolutions' and the matrix products'.

use crate::gpu::{DeviceKind, Variant};

/// Overrides of `tile_product.wgsl` for tiles of 128 by 128; without them they are 64 by 64.
pub const LARGE: Variant = &[("SIDE", 128.0), ("LANES", 256.0)];

/// The largest side, 128, 64 or 32, with which `products` of `rows` by `columns` are as many tiles as a device of this kind has room for.
pub fn side(kind: DeviceKind, [rows, columns]: [usize; 2], products: usize) -> usize {
    let room = match kind {
        DeviceKind::Discrete => 256,
        DeviceKind::Integrated => 64,
        // Not what it would choose: a number that small products reach, for the tests that force these kernels.
        DeviceKind::Software => 4,
    };
    let tiles = |side| rows.div_ceil(side) * columns.div_ceil(side) * products;
    // With less than this, half of a large tile would be idle.
    let fills = rows > 64 && columns > 64;
    match () {
        () if fills && tiles(128) >= room => 128,
        () if tiles(64) >= room => 64,
        () => 32,
    }
}

/// The overrides for a side of 128 or 64.
pub fn overrides(side: usize) -> Vec<(&'static str, f64)> {
    if side == 128 { LARGE.to_vec() } else { Vec::new() }
}
