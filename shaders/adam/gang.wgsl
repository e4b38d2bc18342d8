// uses: lanes4, gang, adam_rule
// step.wgsl for many parameters. Workgroup g works on table[g]; the grid is the table's length. Everything is changed where it lies.

@group(0) @binding(1) var<storage, read_write> param: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> grad: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> control: array<f32>;
@group(0) @binding(6) var<storage, read> table: array<Piece>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let piece = table[group.x + params.origin.x];
    let steps = (piece.elements + 3u) / 4u;
    let now = vec4<f32>(control[0], control[1], control[2], control[3]);
    let scale = control[4];
    for (var i = lane; i < steps; i += 256u) {
        let at = piece.first.x + i;
        let at_m = piece.first.z + i;
        let at_v = piece.first.w + i;
        let next = adam_step(param[at], grad[piece.first.y + i], m[at_m], v[at_v], now, scale);
        param[at] = next.param;
        m[at_m] = next.m;
        v[at_v] = next.v;
    }
}
