// uses: row_lanes, pair_sum

// grad_x = (g - x * sum(g * x) / (norm * (norm + eps))) / (norm + eps), g = grad_y * weight; at norm 0 the middle term is 0.
// A workgroup takes `lane_channels` pixels, each shared by `lane_rows` neighbouring lanes. Grid: (ceil(pixels / lane_channels), 1, 1).
// Lanes past the last pixel add zero and write nothing. Sums run in fixed order.

@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> norm: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item_lane = lane % params.lane_rows;
    let pixel = (workgroup.x + params.origin.x) * params.lane_channels + lane / params.lane_rows;
    let used = pixel < params.rows;
    let first = pixel * params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        for (var c = item_lane; c < params.channels; c += params.lane_rows) {
            mine.x += grad_y[first + c] * weight[c] * x[first + c];
        }
    }
    let all = sum_rows(mine, lane, item_lane, 1u, params.lane_rows, params.half_rows);
    workgroupBarrier();
    let along = shared_pairs[lane - item_lane].x;
    if used {
        let length = norm[pixel];
        let divisor = length + params.eps;
        let share = select(0.0, along / (max(length, 1e-38) * divisor), length > 0.0);
        for (var c = item_lane; c < params.channels; c += params.lane_rows) {
            grad_x[first + c] = (grad_y[first + c] * weight[c] - x[first + c] * share) / divisor;
        }
    }
}
