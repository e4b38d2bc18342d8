// uses: lanes4, gang, sgd_rule
// plain.wgsl for many parameters. Workgroup g works on table[g]; the grid is the table's length. Everything is changed where it lies.

@group(0) @binding(1) var<storage, read_write> param: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> grad: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> control: array<f32>;
@group(0) @binding(4) var<storage, read> table: array<Piece>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let piece = table[group.x + params.origin.x];
    let steps = (piece.elements + 3u) / 4u;
    let clip = control[0];
    let finite = control[1];
    let lr = control[2];
    for (var i = lane; i < steps; i += 256u) {
        let at = piece.first.x + i;
        param[at] = sgd_plain(param[at], grad[piece.first.y + i], clip, finite, lr);
    }
}
