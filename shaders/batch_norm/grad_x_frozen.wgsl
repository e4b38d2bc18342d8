// uses: row_lanes, rectify

// grad_x = g * weight / sqrt(variance + eps): the gradient with respect to the input when the statistics are constants. g is grad_y passed
// back through the rectifier by the sign of y, which is not read where `leak` is 1; with RESIDUAL it is written too, being the
// residual's gradient, and may lie where grad_y or y does. `channels` counts lanes of LANES channels.
// A workgroup takes `lane_channels` channels of one chunk of rows; lane l makes channel l % lane_channels of every
// `lane_rows`-th row. Grid: (chunks, tiles of channels, 1). Lanes past the last channel do nothing.

override RESIDUAL: bool = false;

@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read> y: array<V>;
@group(0) @binding(3) var<storage, read> weight: array<V>;
@group(0) @binding(4) var<storage, read> variance: array<V>;
@group(0) @binding(5) var<storage, read_write> grad_x: array<V>;
@group(0) @binding(6) var<storage, read_write> masked: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    if !used {
        return;
    }
    let scale = weight[channel] / sqrt(variance[channel] + params.eps);
    let end = min((group.x + 1u) * params.chunk_rows, params.rows);
    for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
        let at = row * params.channels + channel;
        var g = grad_y[at];
        if params.leak != 1.0 {
            g = rectify_grad(g, y[at], params.leak);
        }
        if RESIDUAL {
            masked[at] = g;
        }
        grad_x[at] = g * scale;
    }
}
