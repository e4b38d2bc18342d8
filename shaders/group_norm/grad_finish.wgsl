// uses: pair_sum

// Adds chunks and channels of a segment: sums = (sum g, sum g * (x - mean)) of each (image, group). x is (images, plane, groups, per_group); a segment is what one image
// and group holds, plane * per_group elements.
// A workgroup takes `lane_channels` segments; their `lane_rows` lanes share the chunks and channels; row 0 writes.
// Grid: (ceil(segments / lane_channels), 1, 1). Lanes past the last segment add zero.

struct Params {
    origin: vec4<u32>,
    rows: u32,
    channels: u32,
    lane_channels: u32,
    lane_rows: u32,
    half_rows: u32,
    chunks: u32,
    chunk_rows: u32,
    plane: u32,
    groups: u32,
    per_group: u32,
    affine: u32,
    by_element: u32,
    eps: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> sums: array<vec2<f32>>;

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
            let d = item % params.per_group;
            mine += partials[(image * params.chunks + chunk) * params.channels + first_channel + d];
        }
    }
    let all = sum_rows(mine, lane, item_lane, params.lane_channels, params.lane_rows, params.half_rows);
    if used && item_lane == 0u {
        sums[segment] = all;
    }
}
