// uses: row_lanes, rectify

// grad_x = weight * rstd * (g - (grad_bias + xhat * grad_weight) / rows) with xhat = (x - mean) * rstd: the gradient of
// batch norm with respect to its input when the statistics come from the batch (Ioffe and Szegedy, 2015). g is grad_y passed back through
// the rectifier, by the sign of what it was given, which is computed again from x. `both` is grad_affine's: (grad_bias, grad_weight).
// `channels` counts lanes of LANES channels.
// A workgroup takes `lane_channels` channels of one chunk of rows; lane l makes channel l % lane_channels of every
// `lane_rows`-th row. Grid: (chunks, tiles of channels, 1). Lanes past the last channel do nothing.

@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read> x: array<V>;
@group(0) @binding(3) var<storage, read> weight: array<V>;
@group(0) @binding(4) var<storage, read> bias: array<V>;
@group(0) @binding(5) var<storage, read> mean: array<V>;
@group(0) @binding(6) var<storage, read> rstd: array<V>;
@group(0) @binding(7) var<storage, read> both: array<V>;
@group(0) @binding(8) var<storage, read_write> grad_x: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    if !used {
        return;
    }
    let spread = rstd[channel];
    let scale = weight[channel] * spread;
    let centre = mean[channel];
    let offset = bias[channel];
    let mean_grad = both[channel] / f32(params.rows);
    let slope = spread * both[params.channels + channel] / f32(params.rows);
    let end = min((group.x + 1u) * params.chunk_rows, params.rows);
    for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
        let at = row * params.channels + channel;
        let off = x[at] - centre;
        let g = rectify_grad(grad_y[at], off * scale + offset, params.leak);
        grad_x[at] = scale * (g - mean_grad - off * slope);
    }
}
