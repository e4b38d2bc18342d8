// What kernels that make their output channels in pairs do with a pair, for any number of channels: the bias, the residual and the result
// one at a time. columns_pairs has the same names for even numbers of channels.
// uses: activation, conv_gather

@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

// The bias of channel `column` and the next; a channel of no use to the caller may lie behind the last one.
fn bias_pair(column: u32) -> vec2<f32> {
    return vec2<f32>(bias[column], bias[min(column + 1u, params.output.w - 1u)]);
}

fn store_single(to: u32, sum: f32) {
    var v = sum;
    if params.has_residual == 1u {
        v += residual[to];
    }
    y[to] = activate(v, params.activation, params.slope);
}

// Finishes and stores elements `to` and `to + 1` of y, of which `count` are there.
fn store_pair(to: u32, count: u32, sum: vec2<f32>) {
    if count > 0u {
        store_single(to, sum.x);
    }
    if count > 1u {
        store_single(to + 1u, sum.y);
    }
}
