//! Uniforms of the pointwise losses.

crate::uniform! {
    /// Uniform of the sums, of the single terms and of the gradient.
    pub struct Params {
        n: u32,
        /// Elements that share one weight: 0 no weights.
        weight_div: u32,
        /// Entries of pos_weight: 0 none.
        pos_channels: u32,
        /// 1 where the result is not reduced.
        each: u32,
        a: f32,
        b: f32,
        divisor: f32,
        pad0: u32,
    }
}

crate::uniform! {
    /// Uniform of the second pass.
    pub struct FinishParams { n: u32, divisor: f32, pad0: u32, pad1: u32 }
}
