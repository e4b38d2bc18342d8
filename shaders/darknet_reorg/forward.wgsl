// Darknet's reorg layer: on flat NCHW buffers of b pictures of w x h x c, with s the stride and d = c / (s * s),
//     y[i + w * (j + h * (k + c * b))] = x[u + w * s * (v + h * s * (k % d + d * b))],
//     u = i * s + (k / d) % s, v = j * s + (k / d) / s,
// for every pixel (i, j) and channel k of x's own extents: not a space-to-depth, because x is read as if it were s times as wide
// and high. y is then taken as (b, c * s * s, h / s, w / s). Both tensors lie here as NHWC, so positions are translated at
// either end. With params.inverse = 1 the map runs backwards: that is its gradient, since it is one to one.
// One invocation makes one element; the grid is ceil(n / 256); the tail is guarded here. Words are copied as they are.

struct Params {
    origin: vec4<u32>,
    n: u32,
    inverse: u32,
    stride: u32,
    pad0: u32,
    width: u32,
    height: u32,
    channels: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

// Position in NCHW of the element at `at` in NHWC, and back.
fn planar(at: u32, w: u32, h: u32, c: u32) -> u32 {
    let pixel = at / c;
    let picture = pixel / (w * h);
    return (picture * c + at % c) * w * h + pixel % (w * h);
}

fn interleaved(at: u32, w: u32, h: u32, c: u32) -> u32 {
    let plane = at / (w * h);
    let picture = plane / c;
    return (picture * w * h + at % (w * h)) * c + plane % c;
}

// From a flat position of y to the one of x, with the formula above.
fn source(at: u32) -> u32 {
    let w = params.width;
    let h = params.height;
    let s = params.stride;
    let d = params.channels / (s * s);
    let i = at % w;
    let j = (at / w) % h;
    let k = (at / (w * h)) % params.channels;
    let b = at / (w * h * params.channels);
    let u = i * s + (k / d) % s;
    let v = j * s + (k / d) / s;
    return u + w * s * (v + h * s * (k % d + d * b));
}

// From a flat position of x to the one of y that it went to.
fn target_of(at: u32) -> u32 {
    let w = params.width;
    let h = params.height;
    let s = params.stride;
    let d = params.channels / (s * s);
    let u = at % (w * s);
    let v = (at / (w * s)) % (h * s);
    let low = (at / (w * s * h * s)) % d;
    let b = at / (w * s * h * s * d);
    let k = ((v % s) * s + u % s) * d + low;
    return u / s + w * (v / s + h * (k + params.channels * b));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + params.origin.x) * 256u + lane;
    if at >= params.n {
        return;
    }
    let w = params.width;
    let h = params.height;
    let c = params.channels;
    let s = params.stride;
    if params.inverse == 0u {
        y[at] = x[interleaved(source(planar(at, w / s, h / s, c * s * s)), w, h, c)];
    } else {
        y[at] = x[interleaved(target_of(planar(at, w, h, c)), w / s, h / s, c * s * s)];
    }
}
