// uses: row_lanes, pair_sum

// Mean over the whole picture, second pass: y[image, channel] = sum of its chunks / rows.
// A workgroup takes `lane_channels` channels of an image, its rows of lanes share the chunks; row 0 writes.
// Grid: (1, tiles of channels, images).

@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        for (var chunk = row_lane; chunk < params.chunks; chunk += params.lane_rows) {
            mine.x += partials[(group.z * params.chunks + chunk) * params.channels + channel];
        }
    }
    let all = sum_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        y[group.z * params.channels + channel] = all.x / f32(params.rows);
    }
}
