// grad_x = pull(grad_y, kept), element by element, where `kept` is the input or the output of the forward kernel. The kernel
// that names this piece defines pull(V, V) -> V, which may use the coefficients params.a and params.b. One invocation makes one
// element (of LANES numbers, in which n is counted); the grid is ceil(n / 256); the tail is guarded here. Joined with lanes1 or
// lanes4.

struct Params {
    origin: vec4<u32>,
    n: u32,
    a: f32,
    b: f32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read> kept: array<V>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        grad_x[i] = pull(grad_y[i], kept[i]);
    }
}
