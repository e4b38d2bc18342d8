// What kernels that make their output channels in pairs do with a pair, for even numbers of channels of a group: the bias, the residual
// and the result two at a time. columns_single says how the names are used.
// uses: activation, conv_gather

@group(0) @binding(3) var<storage, read> bias: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec2<f32>>;

fn bias_pair(column: u32) -> vec2<f32> {
    return bias[column / 2u];
}

fn store_pair(to: u32, count: u32, sum: vec2<f32>) {
    if count > 0u {
        var v = sum;
        if params.has_residual == 1u {
            v += residual[to / 2u];
        }
        y[to / 2u] = activate2(v, params.activation, params.slope);
    }
}
