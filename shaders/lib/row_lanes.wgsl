// How rows and channels are laid over the lanes of a workgroup: the uniform of batch norm's kernels, of global pooling's and of l2 norm's. Each reads the
// fields it needs.

struct Params {
    origin: vec4<u32>,
    // Rows of one image: N * H * W for batch norm.
    rows: u32,
    // Of wide kernels, lanes of LANES channels.
    channels: u32,
    // Channels that one workgroup takes.
    lane_channels: u32,
    // Rows that one workgroup reads at a time.
    lane_rows: u32,
    // Largest power of two below `lane_rows`.
    half_rows: u32,
    // Chunks of rows.
    chunks: u32,
    // Rows in a chunk.
    chunk_rows: u32,
    // Added to the variance.
    eps: f32,
    // Weight of the batch in the running statistics.
    momentum: f32,
    // Factor of the batch's variance on its way into the running one.
    variance_scale: f32,
    // 1 where the kernel is given variances instead of 1 / standard deviation.
    from_variance: u32,
    // Slope of the rectifier below zero; 1 for none.
    leak: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
