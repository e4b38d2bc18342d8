// uses: lanes1, moments, segments

// Mean and rstd = 1 / sqrt(variance + eps) of segments that lie in one piece: x is (segments, per_group).
// A workgroup takes `lane_channels` segments, each read by `lane_rows` neighbouring lanes; the first of them writes.
// Grid: (ceil(segments / lane_channels), 1, 1). Numerics: shifted by the segment's first element, Welford's update in fixed order.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item_lane = lane % params.lane_rows;
    let segment = (workgroup.x + params.origin.x) * params.lane_channels + lane / params.lane_rows;
    let used = segment < params.rows;

    let first = segment * params.per_group;
    var reference = 0.0;
    var mine = Moments(0.0, 0.0, 0.0);
    if used {
        reference = x[first];
        for (var d = item_lane; d < params.per_group; d += params.lane_rows) {
            mine = merge_moments(mine, Moments(1.0, x[first + d] - reference, 0.0));
        }
    }
    let all = merge_rows(mine, lane, item_lane, 1u, params.lane_rows, params.half_rows);
    if used && item_lane == 0u {
        mean[segment] = reference + all.mean;
        rstd[segment] = 1.0 / sqrt(all.m2 / all.count + params.eps);
    }
}
