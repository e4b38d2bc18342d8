// uses: segments, pair_sum
// Adds chunks and channels of a segment: sums = (sum g w, sum g w (x - mean)) of each (image, group), w the channel's weight, from grad_sums' partials. Without
// `affine` w is 1: there is none, or it is in the partials.
// A workgroup takes `lane_channels` segments; their `lane_rows` lanes share the chunks and channels; row 0 writes.
// Grid: (ceil(segments / lane_channels), 1, 1). `rows` are the segments. Lanes past the last add zero.

@group(0) @binding(1) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<vec2<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item_lane = lane / params.lane_channels;
    let segment = (workgroup.x + params.origin.x) * params.lane_channels + lane % params.lane_channels;
    let used = item_lane < params.lane_rows && segment < params.rows;

    let image = segment / params.groups;
    let first_channel = segment % params.groups * params.per_group;
    var mine = vec2<f32>(0.0);
    if used {
        let items = params.chunks * params.per_group;
        for (var item = item_lane; item < items; item += params.lane_rows) {
            let chunk = item / params.per_group;
            let channel = first_channel + item % params.per_group;
            var part = partials[(image * params.chunks + chunk) * params.channels + channel];
            if params.affine != 0u {
                part *= weight[channel];
            }
            mine += part;
        }
    }
    let all = sum_rows(mine, lane, item_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && item_lane == 0u {
        sums[segment] = all;
    }
}
