// y[i] = x[i] / (1 - p) where random(seed, step, node, i) >= p, else 0. The mask is a pure function of its counters
// (shaders/lib/hash.wgsl), so the gradient is this same kernel on grad_y. One invocation makes one element; the grid is
// ceil(n / 256); the tail is guarded here. Srivastava et al., "Dropout", 2014.
// uses: hash

struct Params {
    origin: vec4<u32>,
    n: u32,
    seed: u32,
    node: u32,
    p: f32,
    scale: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> step: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let kept = random_unit(params.seed, step[0], params.node, i) >= params.p;
        y[i] = select(0.0, params.scale * x[i], kept);
    }
}
