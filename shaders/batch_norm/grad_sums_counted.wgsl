// uses: counted_rows, pair_sum

// Sums over the rows that count in each chunk: partials[chunk, channel] = (sum grad_y, sum grad_y * (x - mean)).
// A workgroup takes `lane_channels` channels of one chunk; lane l reads channel l % lane_channels of every `lane_rows`-th row.
// Grid: (chunks, tiles of channels, 1). Lanes past the last row of lanes or channel add zero. Fixed order.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> counted: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec2<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        let centre = mean[channel];
        let end = min((group.x + 1u) * params.chunk_rows, params.rows);
        for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
            if counted[row / params.picture_rows] > 0.0 {
                let at = row * params.channels + channel;
                let g = grad_y[at];
                mine += vec2<f32>(g, g * (x[at] - centre));
            }
        }
    }
    let all = sum_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        partials[group.x * params.channels + channel] = all;
    }
}
