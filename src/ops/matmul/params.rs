//! Uniform of the matrix products.

crate::uniform! {
    /// Uniform of `matmul.wgsl`: of the packing and of all products.
    pub struct Params {
        m: u32,
        n: u32,
        k: u32,
        /// Extent of the inner batch dimension.
        inner: u32,
        /// Steps of a along m, k, and the batch dimensions.
        a: [u32; 4],
        /// Steps of b along k, n, and the batch dimensions.
        b: [u32; 4],
        has_bias: u32,
        /// Vectors of four in a row of packed b.
        quads: u32,
        /// In which a kernel stores its tile.
        rounds: u32,
        /// The first k of a pass of the subgroup kernel.
        first: u32,
    }
}
