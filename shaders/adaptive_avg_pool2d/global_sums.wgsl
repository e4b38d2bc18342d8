// uses: row_lanes, pair_sum

// Mean over the whole picture, first pass: partials[image, chunk, channel] = sum of a chunk of rows; x is (images, rows, channels).
// A workgroup takes `lane_channels` channels of one chunk; lane l reads channel l % lane_channels of every `lane_rows`-th row, in
// two interleaved sums. Grid: (chunks, tiles of channels, images). Lanes past the last row of lanes or channel add zero.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        let base = group.z * params.rows * params.channels + channel;
        let end = min((group.x + 1u) * params.chunk_rows, params.rows);
        var row = group.x * params.chunk_rows + row_lane;
        while row + params.lane_rows < end {
            mine += vec2<f32>(x[base + row * params.channels], x[base + (row + params.lane_rows) * params.channels]);
            row += 2u * params.lane_rows;
        }
        if row < end {
            mine.x += x[base + row * params.channels];
        }
    }
    let all = sum_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        partials[(group.z * params.chunks + group.x) * params.channels + channel] = all.x + all.y;
    }
}
