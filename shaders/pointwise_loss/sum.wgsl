// uses: pointwise_loss, workgroup_reduce
// partial[g] = sum over i in [4096 g, 4096 (g + 1)) of weight_i * loss(x_i, truth_i). Workgroup g makes partial[g]: each
// invocation adds 16 terms 256 apart, then the workgroup adds its 256 sums (workgroup_reduce). The tail is guarded here.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> truth: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> pos_weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;

fn weight_of(i: u32) -> f32 {
    if params.weight_div == 0u {
        return 1.0;
    }
    return weight[i / params.weight_div];
}

fn positive_of(i: u32) -> f32 {
    if params.pos_channels == 0u {
        return 1.0;
    }
    return pos_weight[i % params.pos_channels];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    var sum = 0.0;
    let end = min((g + 1u) * 4096u, params.n);
    for (var i = g * 4096u + lane; i < end; i += 256u) {
        sum += weight_of(i) * loss_value(x[i], truth[i], positive_of(i), params.a, params.b);
    }
    let total = workgroup_sum(sum, lane);
    if lane == 0u {
        partial[g] = total;
    }
}
