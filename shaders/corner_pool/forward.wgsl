// y = the largest element met so far on the walk along a line: a column from the bottom (backwards) or the top, or a row
// from the right (backwards) or the left (Law and Deng, CornerNet, 2018).
// One invocation walks one line; neighbours walk neighbouring channels. The grid is ceil(lines / 256); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    lines: u32,
    length: u32,
    inner: u32,
    backwards: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let line = (group.x + params.origin.x) * 256u + lane;
    if line >= params.lines {
        return;
    }
    let base = line / params.inner * params.length * params.inner + line % params.inner;
    let last = params.length - 1u;
    var best = x[base + select(0u, last, params.backwards != 0u) * params.inner];
    for (var i = 0u; i < params.length; i++) {
        let at = base + select(i, last - i, params.backwards != 0u) * params.inner;
        let v = x[at];
        best = select(best, v, v > best);
        y[at] = best;
    }
}
