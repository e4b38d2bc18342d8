// kept[i] = score[i], or NaN where box i has a side below min_size or a coordinate that is not finite, where the score is below
// min_score, and where it is NaN already. Scores are copied as they are; NaN and infinity are told by their bits. One invocation takes one
// box; the grid is ceil(n / 256); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    min_size: f32,
    scored: u32,
    min_score: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> boxes: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> scores: array<u32>;
@group(0) @binding(3) var<storage, read_write> kept: array<u32>;

const INFINITE: u32 = 0x7f800000u;
const NAN: u32 = 0x7fc00000u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let bits = boxes[i];
    let own = bitcast<vec4<f32>>(bits);
    let size = own.zw - own.xy;
    let odd = any((bits & vec4<u32>(INFINITE)) == vec4<u32>(INFINITE));
    let small = size.x < params.min_size || size.y < params.min_size;
    let score = scores[i];
    let unscored = (score & 0x7fffffffu) > INFINITE;
    let low = params.scored == 1u && bitcast<f32>(score) < params.min_score;
    kept[i] = select(score, NAN, odd || small || unscored || low);
}
