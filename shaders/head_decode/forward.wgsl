// uses: head
// Boxes and scores of a raw head: corners x0, y0, x1, y1 in pixels of the network's input; objectness times the probability of
// each class. Objectness is sigmoid(.) (detection: as it is); classes are sigmoids (detection: as they are) or a softmax.
// Invocation i makes box i, places counted by picture, row, column, number, with its C scores; the grid is ceil(boxes / 256); the tail
// is guarded here. Numerics: as in shaders/lib/head.wgsl; the softmax subtracts the largest logit.

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> boxes: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.pictures * params.height * params.width * params.boxes {
        return;
    }
    let p = place_of(i);
    let found = box_of(p);
    let half = 0.5 * found.zw;
    let size = vec2<f32>(params.input_width, params.input_height);
    boxes[i] = vec4<f32>((found.xy - half) * size, (found.xy + half) * size);

    let raw = x[at(p, 4u)];
    let objectness = select(sigmoid(raw), raw, KIND == DETECTION);
    let first = at(p, 5u);
    if params.softmax == 1u {
        let sum = class_sum(p);
        for (var c = 0u; c < params.classes; c++) {
            scores[i * params.classes + c] = objectness * exp(x[first + c] - sum.x) / sum.y;
        }
        return;
    }
    for (var c = 0u; c < params.classes; c++) {
        let logit = x[first + c];
        scores[i * params.classes + c] = objectness * select(sigmoid(logit), logit, KIND == DETECTION);
    }
}
