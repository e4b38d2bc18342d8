//! The uniform structs of the convolution kernels, as `shaders/lib/conv_gather.wgsl`, `conv_weight.wgsl` and the small kernels
//! declare them.

crate::uniform! {
    /// Uniform of the gathering kernels.
    pub struct GatherParams {
        /// n, h, w, channels of the input.
        input: [u32; 4],
        /// n, h, w, channels of the output.
        output: [u32; 4],
        /// Rows, columns, input and output channels of a group.
        kernel: [u32; 4],
        /// Pixel rows and columns of a phase, `up` in y and x.
        phase: [u32; 4],
        /// `down` in y and x, distance of the taps of a phase in y and x.
        step: [u32; 4],
        /// `base` in y and x, `tap` in y and x.
        base: [i32; 4],
        /// How far the input position moves between two taps of a phase, in y and x; what [`super::dispatch`] calls a slide; blocks of
        /// output channels that a workgroup of the subgroup kernel makes in turn.
        delta: [i32; 4],
        /// Of the activation.
        slope: f32,
        /// 1 where there is a bias.
        has_bias: u32,
        /// 1 where there is a residual.
        has_residual: u32,
        /// Pixels of a phase, all pictures together.
        pixels: u32,
        /// Workgroups along the output channels of a group.
        blocks: u32,
        /// Code of the activation.
        activation: u32,
        /// Rounds in which a kernel stores its tile.
        rounds: u32,
        /// 1 where the taps of a kernel row are one run of memory.
        flat: u32,
    }
}

crate::uniform! {
    /// Uniform of the weight-gradient kernels.
    pub struct WeightParams {
        /// n, h, w, channels of the picture with the weight's input channels.
        rows: [u32; 4],
        /// n, h, w, channels of the picture with the weight's output channels.
        columns: [u32; 4],
        /// Rows, columns, input and output channels of a group.
        kernel: [u32; 4],
        /// n, h, w of the anchors, rows of anchors in a part.
        anchors: [u32; 4],
        /// Step, base and tap of `rows` in y.
        rows_y: [i32; 4],
        /// The same in x.
        rows_x: [i32; 4],
        /// Step, base and tap of `columns` in y; 1 where it is `columns` that moves.
        columns_y: [i32; 4],
        /// The same in x.
        columns_x: [i32; 4],
        /// Groups.
        groups: u32,
        /// Workgroups along the output channels.
        blocks: u32,
        /// Elements of the weight.
        size: u32,
        /// Rounds in which a kernel stores its tile.
        rounds: u32,
    }
}

crate::uniform! {
    /// Uniform of the three transforms of Winograd's convolution.
    pub struct WinogradParams {
        /// n, h, w, channels of the input or output.
        picture: [u32; 4],
        /// Tile rows and tile columns of a picture, first tile row of the launch, outputs along a tile.
        tiles: [u32; 4],
        /// Elements from tile to tile or from input channel to input channel, points along a tile, columns to go through, 0.
        matrices: [u32; 4],
        /// Input and output channels of the weight, elements from one to the next of either.
        weight: [u32; 4],
        /// Input row and column of the first tap of output 0, first tap of the weight, distance to the next.
        base: [i32; 4],
        /// The coefficients, as `shaders/lib/conv_winograd.wgsl` has them.
        factors: [f32; 4],
        points: [f32; 4],
        powers: [f32; 4],
        weight_p: [f32; 4],
        weight_q: [f32; 4],
        /// Of the activation.
        slope: f32,
        /// 1 where there is a bias.
        has_bias: u32,
        /// 1 where there is a residual.
        has_residual: u32,
        /// Code of the activation.
        activation: u32,
    }
}

crate::uniform! {
    /// Uniform of `sum_rows`.
    pub struct SumParams { rows: u32, columns: u32, rows_per_part: u32, pad: u32 }
}

crate::uniform! {
    /// Uniform of `turn_weight`.
    pub struct TurnParams { inputs: u32, outputs: u32, groups: u32, pad: u32 }
}

crate::uniform! {
    /// Uniform of `activation_grad`.
    pub struct ActivationParams { n: u32, slope: f32, pad0: u32, pad1: u32 }
}
