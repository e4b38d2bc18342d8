// y[c] = x[c] * d[c]^-beta with d[c] = k + alpha / size * sum of x[j]^2 for j from c - size / 2 to c + (size - 1) / 2, within the
// channels of a pixel; PyTorch's local_response_norm. Krizhevsky, Sutskever, Hinton, 2012, section 3.3.
// One invocation makes one element. The grid is ceil(n / 256); the tail is guarded here. One f32 accumulator, channels in order.
// uses: local_response

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i < params.n {
        y[i] = x[i] * exp(-params.beta * log_of(denominator(i)));
    }
}
