// grad_x[j] = sum of grad_y[i] over the positions i with index[i] = j[dim] and i[d] = j[d] elsewhere, added in the order of i:
// each element of x walks along dim of the index, so nothing is scattered and no atomics are needed. j is taken apart over
// `extent` (of x), innermost dimension first; `inside` are index's extents, `step` its strides, 0 along dim. One
// invocation makes one element; the grid is ceil(n / 256); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    n: u32,
    rank: u32,
    dim: u32,
    length: u32,
    along: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
    extent: array<vec4<u32>, 2>,
    inside: array<vec4<u32>, 2>,
    step: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let j = (group.x + params.origin.x) * 256u + lane;
    if j >= params.n {
        return;
    }
    var rest = j;
    var at = 0u;
    var own = 0u;
    var found = true;
    for (var d = 0u; d < params.rank; d++) {
        let extent = params.extent[d / 4u][d % 4u];
        let outer = rest / extent;
        let coordinate = rest - outer * extent;
        if d == params.dim {
            own = coordinate;
        } else {
            found = found && coordinate < params.inside[d / 4u][d % 4u];
            at += coordinate * params.step[d / 4u][d % 4u];
        }
        rest = outer;
    }
    var sum = 0.0;
    if found {
        for (var k = 0u; k < params.length; k++) {
            let i = at + k * params.along;
            if u32(index[i]) == own {
                sum += grad_y[i];
            }
        }
    }
    grad_x[j] = sum;
}
