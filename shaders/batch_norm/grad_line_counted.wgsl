// uses: counted_rows, workgroup_reduce

// What grad_x_counted needs of each channel: lines[channel] = (scale, centre, mean_grad, slope) = (weight * rstd, mean,
// grad_bias / n, rstd * grad_weight / n), n being the number of rows that count. Where none does, rstd is 0 and so is the gradient.
// An invocation makes one channel. The grid is ceil(channels / 256); the tail is guarded here. Each workgroup counts the pictures.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> counted: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> rstd: array<f32>;
@group(0) @binding(5) var<storage, read> grad_weight: array<f32>;
@group(0) @binding(6) var<storage, read> grad_bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> lines: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    var mine = 0.0;
    for (var picture = lane; picture < params.pictures; picture += 256u) {
        if counted[picture] > 0.0 {
            mine += 1.0;
        }
    }
    let n = max(workgroup_sum(mine, lane) * f32(params.picture_rows), 1.0);
    let channel = (group.x + params.origin.x) * 256u + lane;
    if channel < params.channels {
        let spread = rstd[channel];
        let slope = spread * grad_weight[channel] / n;
        lines[channel] = vec4<f32>(weight[channel] * spread, mean[channel], grad_bias[channel] / n, slope);
    }
}
