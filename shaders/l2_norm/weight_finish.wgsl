// uses: row_lanes, pair_sum

// grad_weight = sum of a channel's chunks.
// A workgroup takes `lane_channels` channels, its rows of lanes share the chunks; row 0 writes. Grid: (1, tiles of channels, 1).

@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_weight: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        for (var chunk = row_lane; chunk < params.chunks; chunk += params.lane_rows) {
            mine.x += partials[chunk * params.channels + channel];
        }
    }
    let all = sum_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        grad_weight[channel] = all.x;
    }
}
