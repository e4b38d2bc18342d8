// uses: overlap_loss, stable
// grad_x = grad_y / rows * ((dL/dI t + dL/dP) p (1 - p) + dL/dE w (p - t)), with the derivatives of `finish.wgsl`'s
// formulas by the sums I and P of the element's row. One invocation makes one element; the grid is ceil(n / 256).

@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> truth: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> grad_x: array<f32>;

// (dL/dI, dL/dP)
fn slopes(s: vec4<f32>) -> vec2<f32> {
    if params.kind == 0u {
        let whole = s.y + s.z + params.eps;
        return vec2<f32>(-2.0, (2.0 * s.x + params.eps) / whole) / whole;
    }
    let inside = s.x + params.eps;
    let whole = s.y + s.z - s.x + params.eps;
    if params.log == 1u {
        return vec2<f32>(-1.0 / inside - 1.0 / whole, 1.0 / whole);
    }
    return vec2<f32>(-1.0 - inside / whole, inside / whole) / whole;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.rows * params.row {
        let t = truth[i];
        let p = sigmoid(x[i]);
        let q = sigmoid(-x[i]);
        let by = slopes(sums[i / params.row]);
        var slope = (by.x * t + by.y) * (p * q);
        if params.kind == 2u {
            var entropy = (1.0 - t) * p - t * q;
            if params.weight_div > 0u {
                entropy *= weight[i / params.weight_div];
            }
            slope = (1.0 - params.alpha) * slope + params.alpha / f32(params.row) * entropy;
        }
        grad_x[i] = grad_y[0] / f32(params.rows) * slope;
    }
}
