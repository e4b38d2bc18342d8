// uses: elements, gang
// forward.wgsl for many tensors. Workgroup g works on table[g]; the grid is the table's length. Everything is changed where it lies.

@group(0) @binding(1) var<storage, read_write> kept: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> new_value: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> control: array<f32>;
@group(0) @binding(4) var<storage, read> table: array<Piece>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let piece = table[group.x + params.origin.x];
    let steps = (piece.elements + 3u) / 4u;
    if control[1] < 0.5 {
        return;
    }
    for (var i = lane; i < steps; i += 256u) {
        kept[piece.first.x + i] = new_value[piece.first.y + i];
    }
}
