// uses: lanes1, segments, affine, rectify, pair_sum
// sums = (sum g w, sum g w (x - mean)), g grad_y passed back through the rectifier and w the weight, of segments that lie in one piece: x is (segments, per_group).
// A workgroup takes `lane_channels` segments, each read by `lane_rows` neighbouring lanes; the first of them writes.
// Grid: (ceil(segments / lane_channels), 1, 1). `rows` are the segments. Lanes past the last add zero. Fixed order.

override BY_ELEMENT: bool = false;

@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> mean: array<f32>;
@group(0) @binding(6) var<storage, read> rstd: array<f32>;
@group(0) @binding(7) var<storage, read_write> sums: array<vec2<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item_lane = lane % params.lane_rows;
    let segment = (workgroup.x + params.origin.x) * params.lane_channels + lane / params.lane_rows;
    let used = segment < params.rows;

    // The first weight: of elements, a segment has all.
    let first = select(segment % params.groups * params.per_group, 0u, BY_ELEMENT);
    var mine = vec2<f32>(0.0);
    if used {
        let centre = mean[segment];
        let spread = rstd[segment];
        for (var d = item_lane; d < params.per_group; d += params.lane_rows) {
            let off = x[segment * params.per_group + d] - centre;
            let own = affine_at(first + d);
            let g = own.scale * rectify_grad(grad_y[segment * params.per_group + d], off * (spread * own.scale) + own.offset, params.leak);
            mine += vec2<f32>(g, g * off);
        }
    }
    let all = sum_rows(mine, lane, item_lane, 1u, params.lane_rows, params.half_rows);
    if used && item_lane == 0u {
        sums[segment] = all;
    }
}
