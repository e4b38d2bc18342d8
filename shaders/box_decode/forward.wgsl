// uses: box_coder
// y[picture, i] = the box that deltas[picture, i] make of box i / classes (shaders/lib/box_coder.wgsl), cut to the picture if sizes
// (height, width) are given; 0 where that box is absent, all of it 0. One invocation makes one box; the grid is ceil(n / 256) by pictures;
// the tail is guarded here. Without sizes the boxes are bound as sizes too.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> deltas: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> boxes: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> sizes: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = (group.x + params.origin.x) * 256u + lane;
    let picture = group.y + params.origin.y;
    if place >= params.n {
        return;
    }
    let i = picture * params.n + place;
    let at = picture * params.box_stride + place / params.classes;
    let low = boxes[2u * at];
    let high = boxes[2u * at + 1u];
    var made = decode(deltas[i], low, high).corners;
    if params.sized == 1u {
        let limit = sizes[picture];
        made = clamp(made, vec4<f32>(0.0), limit.yxyx);
    }
    let absent = all(low == vec2<f32>(0.0)) && all(high == vec2<f32>(0.0));
    y[i] = select(made, vec4<f32>(0.0), absent);
}
