// uses: row_lanes, lane_sums, rectify

// grad_sums where a residual was added: the sign is y's. Writes g too, which is the residual's gradient.
// partials[chunk, channel] = (sum g, sum g * (x - mean)). `channels` counts lanes of LANES channels.
// A workgroup takes `lane_channels` channels of one chunk; lane l reads channel l % lane_channels of every `lane_rows`-th row.
// Grid: (chunks, tiles of channels, 1). Lanes past the last row of lanes or channel add zero. Fixed order. g may lie where grad_y or y does.

@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read> x: array<V>;
@group(0) @binding(3) var<storage, read> y: array<V>;
@group(0) @binding(4) var<storage, read> mean: array<V>;
@group(0) @binding(5) var<storage, read_write> partials: array<P>;
@group(0) @binding(6) var<storage, read_write> masked: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = Sums(V(0.0), V(0.0));
    if used {
        let centre = mean[channel];
        let end = min((group.x + 1u) * params.chunk_rows, params.rows);
        for (var row = group.x * params.chunk_rows + row_lane; row < end; row += params.lane_rows) {
            let at = row * params.channels + channel;
            let g = rectify_grad(grad_y[at], y[at], params.leak);
            masked[at] = g;
            mine.first += g;
            mine.second += g * (x[at] - centre);
        }
    }
    let all = sum_lanes(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        partials[group.x * params.channels + channel] = pairs(all.first, all.second);
    }
}
