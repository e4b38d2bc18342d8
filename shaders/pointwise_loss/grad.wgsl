// uses: pointwise_loss
// grad_x = grad_y * weight * loss'(x, truth) / divisor, where grad_y is one number, or one for each element if the
// loss was not reduced. One invocation makes one element; the grid is ceil(n / 256).

@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> truth: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> pos_weight: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_x: array<f32>;

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
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let scale = grad_y[select(0u, i, params.each == 1u)] / params.divisor;
        let slope = loss_slope(x[i], truth[i], positive_of(i), params.a, params.b);
        grad_x[i] = scale * weight_of(i) * slope;
    }
}
