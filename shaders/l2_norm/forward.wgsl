// uses: row_lanes, pair_sum

// norm = sqrt(sum of x * x over the channels), y = x * weight / (norm + eps) (Liu, Rabinovich and Berg, ParseNet, 2015).
// A workgroup takes `lane_channels` pixels, each shared by `lane_rows` neighbouring lanes. Grid: (ceil(pixels / lane_channels), 1, 1).
// Lanes past the last pixel add zero and write nothing. Sums run in fixed order.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> norm: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item_lane = lane % params.lane_rows;
    let pixel = (workgroup.x + params.origin.x) * params.lane_channels + lane / params.lane_rows;
    let used = pixel < params.rows;
    let first = pixel * params.channels;

    var mine = vec2<f32>(0.0);
    if used {
        for (var c = item_lane; c < params.channels; c += params.lane_rows) {
            mine.x += x[first + c] * x[first + c];
        }
    }
    let all = sum_rows(mine, lane, item_lane, 1u, params.lane_rows, params.half_rows);
    workgroupBarrier();
    let length = sqrt(shared_pairs[lane - item_lane].x);
    if used {
        for (var c = item_lane; c < params.channels; c += params.lane_rows) {
            y[first + c] = x[first + c] * weight[c] / (length + params.eps);
        }
        if item_lane == 0u {
            norm[pixel] = sqrt(all.x);
        }
    }
}
