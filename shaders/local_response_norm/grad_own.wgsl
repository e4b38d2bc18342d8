// First half of the gradient: grad_x[c] = grad_y[c] d[c]^-beta, what element c does through the numerator, and
// pull[c] = grad_y[c] x[c] d[c]^(-beta - 1), which grad_window.wgsl gathers. d is forward.wgsl's.
// One invocation makes one element of both. The grid is ceil(n / 256); the tail is guarded here.
// uses: local_response

@group(0) @binding(1) var<storage, read> grad_y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<f32>;
@group(0) @binding(4) var<storage, read_write> pull: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        let d = denominator(i);
        let own = grad_y[i] * exp(-params.beta * log_of(d));
        grad_x[i] = own;
        pull[i] = own * x[i] / d;
    }
}
