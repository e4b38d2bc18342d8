// uses: segments, pair_sum
// Adds the partials of each weight: grad_bias = sum g, grad_weight = sum g xhat. They are (images, chunks, weights); BY_CHANNEL they are those of grad_sums, whose second
// sums still want their image's and group's rstd. Those of affine_chunks count as one image's.
// A workgroup takes `lane_channels` weights, its rows of lanes share images and chunks; row 0 writes. Grid: (1, tiles of weights, 1).

override BY_CHANNEL: bool = false;

@group(0) @binding(1) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> rstd: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_bias: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let row_lane = lane / params.lane_channels;
    let channel = group.y * params.lane_channels + lane % params.lane_channels;
    let used = row_lane < params.lane_rows && channel < params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        for (var item = row_lane; item < params.images * params.chunks; item += params.lane_rows) {
            var part = partials[item * params.channels + channel];
            if BY_CHANNEL {
                part.y *= rstd[item / params.chunks * params.groups + channel / params.per_group];
            }
            mine += part;
        }
    }
    let all = sum_rows(mine, lane, row_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && row_lane == 0u {
        grad_weight[channel] = all.y;
        grad_bias[channel] = all.x;
    }
}
