// uses: box_coder
// grad_deltas of forward.wgsl: with (w, h) the sides of the box and (w', h') those made of it, and g the gradient of the corners that
// the picture did not cut off, grad_dx = (g.x0 + g.x1) w / weight, grad_dw = (g.x1 - g.x0) w' / (2 weight), 0 where dw was cut;
// y and h likewise. 0 where the box is absent. One invocation takes one box made; the grid is ceil(n / 256) by
// pictures; the tail is guarded here.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> deltas: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> boxes: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> sizes: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> grad_deltas: array<vec4<f32>>;

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
    let delta = deltas[i];
    let made = decode(delta, low, high);
    var g = grad_y[i];
    if params.sized == 1u {
        let limit = sizes[picture].yxyx;
        let inside = (made.corners >= vec4<f32>(0.0)) & (made.corners <= limit);
        g = select(vec4<f32>(0.0), g, inside);
    }
    let moved = (g.xy + g.zw) * (high - low);
    let free = delta.zw / params.weights.zw <= vec2<f32>(params.max_ratio);
    let grown = select(vec2<f32>(0.0), 0.5 * (g.zw - g.xy) * made.size, free);
    let absent = all(low == vec2<f32>(0.0)) && all(high == vec2<f32>(0.0));
    grad_deltas[i] = select(vec4<f32>(moved, grown) / params.weights, vec4<f32>(0.0), absent);
}
