// uses: cross_entropy, stable, workgroup_reduce
// Cross-entropy of the pixel's class y over C logits, with class weights w and a weight map: with l_c = -log softmax(x)_c,
//   map ((1 - smoothing) w_y l_y + smoothing / C sum_c w_c l_c), and its share w_y of the divisor; both 0 where y is ignored.
// Not reduced: result[i] is the loss of pixel i. Reduced: workgroup g makes result[2 g] and result[2 g + 1], the sums of losses
// and of w_y over its 1024 pixels; each invocation adds four, 256 apart, then the workgroup adds its 256 sums (workgroup_reduce). The
// grid is ceil(pixels / 1024). The sum under the logarithm leaves its largest term, one, out, so that losses near 0 keep their digits.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> truth: array<i32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> weight_map: array<f32>;
@group(0) @binding(5) var<storage, read_write> result: array<f32>;

fn class_weight(c: u32) -> f32 {
    if params.has_weight == 0u {
        return 1.0;
    }
    return weight[c];
}

// (loss, w_y) of a pixel.
fn pixel_loss(i: u32) -> vec2<f32> {
    let y = truth[i];
    if y == params.ignore_index {
        return vec2<f32>(0.0);
    }
    if y < 0 || u32(y) >= params.channels {
        return vec2<f32>(bitcast<f32>(params.nan), 1.0);
    }
    let base = i * params.channels;
    var largest = 0u;
    for (var c = 1u; c < params.channels; c++) {
        largest = select(largest, c, x[base + c] > x[base + largest]);
    }
    let top = x[base + largest];
    var rest = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        rest += select(exp(x[base + c] - top), 0.0, c == largest);
    }
    var log_sum = log_1p(min(rest, 1.0));
    if rest > 1.0 {
        log_sum = log_of(1.0 + rest);
    }
    let own = class_weight(u32(y));
    var loss = (1.0 - params.smoothing) * own * (top - x[base + u32(y)] + log_sum);
    if params.smoothing > 0.0 {
        var all = 0.0;
        for (var c = 0u; c < params.channels; c++) {
            all += class_weight(c) * (top - x[base + c] + log_sum);
        }
        loss += params.smoothing / f32(params.channels) * all;
    }
    if params.has_map == 1u {
        loss *= weight_map[i];
    }
    return vec2<f32>(loss, own);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x + params.origin.x;
    var sum = vec2<f32>(0.0);
    for (var k = 0u; k < 4u; k++) {
        let i = g * 1024u + k * 256u + lane;
        if i < params.pixels {
            let term = pixel_loss(i);
            sum += term;
            if params.each == 1u {
                result[i] = term.x;
            }
        }
    }
    if params.each == 0u {
        let losses = workgroup_sum(sum.x, lane);
        let weights = workgroup_sum(sum.y, lane);
        if lane == 0u {
            result[2u * g] = losses;
            result[2u * g + 1u] = weights;
        }
    }
}
