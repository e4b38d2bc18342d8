// grad_x = sum of grad_y over the stretch of the walk on which the element is the running maximum; of equal elements the one
// met first keeps it. One invocation walks one line as the forward kernel does, adding up the stretch of the current maximum.
// The grid is ceil(lines / 256); the tail is guarded here.

struct Params {
    origin: vec4<u32>,
    lines: u32,
    length: u32,
    inner: u32,
    backwards: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let line = (group.x + params.origin.x) * 256u + lane;
    if line >= params.lines {
        return;
    }
    let base = line / params.inner * params.length * params.inner + line % params.inner;
    let last = params.length - 1u;
    var owner = base + select(0u, last, params.backwards != 0u) * params.inner;
    var best = x[owner];
    var sum = 0.0;
    for (var i = 0u; i < params.length; i++) {
        let at = base + select(i, last - i, params.backwards != 0u) * params.inner;
        let v = x[at];
        if v > best {
            grad_x[owner] = sum;
            owner = at;
            best = v;
            sum = 0.0;
        }
        sum += grad_y[at];
        grad_x[at] = 0.0;
    }
    grad_x[owner] = sum;
}
