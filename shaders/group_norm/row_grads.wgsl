// uses: pair_sum

// sums = (sum g, sum g * (x - mean)), g = grad_y * weight, of segments that lie in one piece: x is (segments, per_group).
// A workgroup takes `lane_channels` segments, each read by `lane_rows` neighbouring lanes; the first of them writes.
// Grid: (ceil(segments / lane_channels), 1, 1). Lanes past the last segment add zero. Fixed order.

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
@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2<f32>>;

// The weight of channel `c` in row `p` of a plane: one for each channel, or one for each element of a segment.
fn weight_at(p: u32, c: u32) -> u32 {
    return select(c, p * params.per_group + c % params.per_group, params.by_element != 0u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item_lane = lane % params.lane_rows;
    let segment = (workgroup.x + params.origin.x) * params.lane_channels + lane / params.lane_rows;
    let used = segment < params.rows;

    let first_channel = segment % params.groups * params.per_group;
    var mine = vec2<f32>(0.0);
    if used {
        let centre = mean[segment];
        for (var d = item_lane; d < params.per_group; d += params.lane_rows) {
            let at = segment * params.per_group + d;
            var g = grad_y[at];
            if params.affine != 0u {
                g *= weight[weight_at(0u, first_channel + d)];
            }
            mine += vec2<f32>(g, g * (x[at] - centre));
        }
    }
    let all = sum_rows(mine, lane, item_lane, 1u, params.lane_rows, params.half_rows);
    if used && item_lane == 0u {
        sums[segment] = all;
    }
}
