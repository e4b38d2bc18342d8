// uses: cross_entropy
// grad_x = scale map ((1 - smoothing) w_y (p_c - [c = y]) + smoothing / C (p_c sum w - w_c)) with p = softmax(x); 0 where y is
// ignored. scale is grad_y, one number or one for each pixel, over the sum of weights for the mean. p_y - 1 is taken as minus the
// sum of the other classes, which cancels nothing. One invocation makes all channels of one pixel; the grid is ceil(pixels / 256).

@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> truth: array<i32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> weight_map: array<f32>;
@group(0) @binding(6) var<storage, read> sums: array<f32>;
@group(0) @binding(7) var<storage, read_write> grad_x: array<f32>;

fn class_weight(c: u32) -> f32 {
    if params.has_weight == 0u {
        return 1.0;
    }
    return weight[c];
}

fn scale_of(i: u32) -> f32 {
    var scale = grad_y[select(0u, i, params.each == 1u)];
    if params.mean == 1u {
        let whole = sums[1];
        scale = select(0.0, scale / whole, whole > 0.0);
    }
    if params.has_map == 1u {
        scale *= weight_map[i];
    }
    return scale;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.pixels {
        return;
    }
    let base = i * params.channels;
    let y = truth[i];
    if y == params.ignore_index || y < 0 || u32(y) >= params.channels {
        let outside = y != params.ignore_index;
        for (var c = 0u; c < params.channels; c++) {
            grad_x[base + c] = select(0.0, bitcast<f32>(params.nan), outside);
        }
        return;
    }
    var top = x[base];
    for (var c = 1u; c < params.channels; c++) {
        top = max(top, x[base + c]);
    }
    var others = 0.0;
    var weights = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        others += select(exp(x[base + c] - top), 0.0, c == u32(y));
        weights += class_weight(c);
    }
    let whole = others + exp(x[base + u32(y)] - top);
    let scale = scale_of(i);
    let own = (1.0 - params.smoothing) * class_weight(u32(y));
    let spread = params.smoothing / f32(params.channels);
    for (var c = 0u; c < params.channels; c++) {
        let p = exp(x[base + c] - top) / whole;
        let miss = select(p, -(others / whole), c == u32(y));
        grad_x[base + c] = scale * (own * miss + spread * (p * weights - class_weight(c)));
    }
}
