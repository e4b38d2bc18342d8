// uses: row_lanes, rectify

// y = rectify((x - mean) * scale + bias + residual) with scale = weight * rstd. `spread` holds rstd, or with `from_variance` the
// variance, from which rstd = 1 / sqrt(variance + eps). x, residual and y are (rows, channels); without RESIDUAL `residual` is not
// read. `channels` counts lanes of LANES channels.
// A workgroup takes `lane_channels` channels of one chunk of rows; lane l makes channel l % lane_channels of every
// `lane_rows`-th row. Grid: (chunks, tiles of channels, 1). Lanes past the last channel do nothing.

override RESIDUAL: bool = false;

@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read> weight: array<V>;
@group(0) @binding(3) var<storage, read> bias: array<V>;
@group(0) @binding(4) var<storage, read> mean: array<V>;
@group(0) @binding(5) var<storage, read> spread: array<V>;
@group(0) @binding(6) var<storage, read> residual: array<V>;
@group(0) @binding(7) var<storage, read_write> y: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    if !used {
        return;
    }
    var rstd = spread[channel];
    if params.from_variance != 0u {
        rstd = V(1.0) / sqrt(rstd + params.eps);
    }
    let scale = weight[channel] * rstd;
    let centre = mean[channel];
    let offset = bias[channel];
    let end = min((group.x + 1u) * params.chunk_rows, params.rows);
    for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
        let at = row * params.channels + channel;
        var v = (x[at] - centre) * scale + offset;
        if RESIDUAL {
            v += residual[at];
        }
        y[at] = rectify(v, params.leak);
    }
}
