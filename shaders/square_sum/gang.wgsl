// uses: workgroup_reduce, square_lanes, gang
// forward.wgsl for many tensors: next[number] = sum of the squares of a piece. Workgroup g works on table[g]; the grid is the
// table's length.

struct Params {
    origin: vec4<u32>,
    n: u32,
    first: u32,
    groups: u32,
    length: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> next: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<Piece>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let piece = table[group.x + params.origin.x];
    let steps = piece.elements / 4u;
    var mine = Squares(vec4<f32>(0.0), vec4<u32>(0u));
    for (var i = lane; i < steps; i += 256u) {
        mine = add_squares(mine, x[piece.first.x + i]);
    }
    let left = piece.elements % 4u;
    if left > 0u && lane == steps % 256u {
        mine = add_squares(mine, first_of(x[piece.first.x + steps], left));
    }
    let total = merge_squares(mine, lane);
    if lane == 0u {
        next[piece.number] = total;
    }
}
