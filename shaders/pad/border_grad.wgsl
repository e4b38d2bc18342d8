// grad_x[o, j, i] = sum of grad_y[o, p, i] over the positions p that were filled from j, along one dimension of
// (outer, length, inner); a padding of several dimensions is undone one after the other. Positions filled from j: before + j; for
// reflect also before - j and before + 2 * (length - 1) - j where those exist and j is no border; for replicate all behind
// a border. They are added from the lowest up. One invocation makes one element (of LANES numbers along `inner`, in which n and
// inner are counted); the grid is ceil(n / 256); the tail is guarded here. Joined with lanes1 or lanes4.

struct Params {
    origin: vec4<u32>,
    n: u32,
    inner: u32,
    length: i32,
    padded: i32,
    before: i32,
    reflect: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + params.origin.x) * 256u + lane;
    if at >= params.n {
        return;
    }
    let row = at / params.inner;
    let i = at - row * params.inner;
    let outer = row / u32(params.length);
    let j = i32(row - outer * u32(params.length));
    let base = outer * u32(params.padded);
    let last = params.length - 1;
    let straight = params.before + j;
    var sum = V(0.0);
    if params.reflect == 1u {
        let left = params.before - j;
        if j > 0 && left >= 0 {
            sum += grad_y[(base + u32(left)) * params.inner + i];
        }
        sum += grad_y[(base + u32(straight)) * params.inner + i];
        let right = params.before + 2 * last - j;
        if j < last && right < params.padded {
            sum += grad_y[(base + u32(right)) * params.inner + i];
        }
    } else {
        let first = select(straight, 0, j == 0);
        let end = select(straight + 1, params.padded, j == last);
        for (var p = first; p < end; p++) {
            sum += grad_y[(base + u32(p)) * params.inner + i];
        }
    }
    grad_x[at] = sum;
}
