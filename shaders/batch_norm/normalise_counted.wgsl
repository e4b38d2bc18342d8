// uses: counted_rows

// y = (x - mean) * weight * rstd + bias in the rows that count, 0 in the others.
// A workgroup takes `lane_channels` channels of one chunk of rows; lane l makes channel l % lane_channels of every
// `lane_rows`-th row. Grid: (chunks, tiles of channels, 1). Lanes past the last channel do nothing.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> counted: array<f32>;
@group(0) @binding(5) var<storage, read> mean: array<f32>;
@group(0) @binding(6) var<storage, read> rstd: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    if !used {
        return;
    }
    let scale = weight[channel] * rstd[channel];
    let centre = mean[channel];
    let offset = bias[channel];
    let end = min((group.x + 1u) * params.chunk_rows, params.rows);
    for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
        let at = row * params.channels + channel;
        var made = 0.0;
        if counted[row / params.picture_rows] > 0.0 {
            made = (x[at] - centre) * scale + offset;
        }
        y[at] = made;
    }
}
