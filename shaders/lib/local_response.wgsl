// What both passes of local_response_norm know: the uniform, and the denominator of an element of x, which the kernel that
// names this piece declares.
// uses: stable

struct Params {
    origin: vec4<u32>,
    n: u32,
    channels: u32,
    before: u32,  // channels of the window before its own, size / 2
    after: u32,   // and behind it, (size - 1) / 2
    share: f32,   // alpha / size
    beta: f32,
    k: f32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// k + share * sum of x[j]^2 over the window of element i, channels in order.
fn denominator(i: u32) -> f32 {
    let c = i % params.channels;
    let pixel = i - c;
    var sum = 0.0;
    for (var j = pixel + c - min(c, params.before); j <= pixel + min(c + params.after, params.channels - 1u); j++) {
        sum += x[j] * x[j];
    }
    return params.k + params.share * sum;
}
