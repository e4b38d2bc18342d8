// uses: stable
// y[picture, i] = what makes reference box i of box i: shaders/lib/box_coder.wgsl the other way round, as torchvision's encode_boxes. 0
// where either has a side that is not positive. One invocation takes one pair; the grid is ceil(n / 256) by pictures; the tail is
// guarded here.

struct Params {
    origin: vec4<u32>,
    weights: vec4<f32>,
    // Boxes of a picture; how far the boxes of one picture are from the next's, 0 if all pictures share them.
    n: u32,
    box_stride: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> reference: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> boxes: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = (group.x + params.origin.x) * 256u + lane;
    let picture = group.y + params.origin.y;
    if place >= params.n {
        return;
    }
    let i = picture * params.n + place;
    let goal = reference[i];
    let own = boxes[picture * params.box_stride + place];
    let goal_size = goal.zw - goal.xy;
    let size = own.zw - own.xy;
    var code = vec4<f32>(0.0);
    if all(goal_size > vec2<f32>(0.0)) && all(size > vec2<f32>(0.0)) {
        let off = (goal.xy + 0.5 * goal_size) - (own.xy + 0.5 * size);
        let ratio = goal_size / size;
        code = vec4<f32>(params.weights.xy * off / size, params.weights.zw * vec2<f32>(log_of(ratio.x), log_of(ratio.y)));
    }
    y[i] = code;
}
