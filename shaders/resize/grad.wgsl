// grad_x[n, i, j, c] = sum of grad_y[n, p, q, c] * (weight of row i in p) * (weight of column j in q), over the output pixels
// (p, q) that touch (i, j): a gather. The range of p and q is bounded from the inverse of the coordinates, a little too wide,
// and each candidate is asked by the forward formula itself, so both always agree. One invocation makes one element (of LANES
// channels, in which n and channels are counted); the grid is ceil(n / 256); the tail is guarded here; rows are summed from
// the top, in a row from the left. Joined with lanes1 or lanes4.
// uses: resample

struct Params {
    origin: vec4<u32>,
    n: u32,
    channels: u32,
    mode: u32,
    pad0: u32,
    in_h: i32,
    in_w: i32,
    out_h: i32,
    out_w: i32,
    step_h: f32,
    step_w: f32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<V>;

// First and last output pixel that may look at source pixel `i`.
fn candidates(i: i32, step: f32, extent: i32, out: i32) -> vec2<i32> {
    var first = 0;
    var last = out - 1;
    if step > 0.0 {
        // Every mode looks within one and a half pixels of at * step; borders are looked at from outside as well.
        if i > 0 {
            first = max(i32(floor((f32(i) - 2.0) / step)) - 2, 0);
        }
        if i < extent - 1 {
            last = min(i32(ceil((f32(i) + 2.0) / step)) + 2, out - 1);
        }
    }
    return vec2<i32>(first, last);
}

fn share(t: Tap, i: i32) -> f32 {
    return select(0.0, 1.0 - t.weight, t.low == i) + select(0.0, t.weight, t.high == i);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + params.origin.x) * 256u + lane;
    if at >= params.n {
        return;
    }
    let pixel = at / params.channels;
    let channel = at - pixel * params.channels;
    let row = pixel / u32(params.in_w);
    let j = i32(pixel - row * u32(params.in_w));
    let image = row / u32(params.in_h);
    let i = i32(row - image * u32(params.in_h));
    let rows = candidates(i, params.step_h, params.in_h, params.out_h);
    let columns = candidates(j, params.step_w, params.in_w, params.out_w);
    var sum = V(0.0);
    for (var p = rows.x; p <= rows.y; p++) {
        let down = share(tap(params.mode, p, params.step_h, params.in_h), i);
        if down == 0.0 {
            continue;
        }
        let base = (i32(image) * params.out_h + p) * params.out_w;
        var along = V(0.0);
        for (var q = columns.x; q <= columns.y; q++) {
            let across = share(tap(params.mode, q, params.step_w, params.in_w), j);
            if across != 0.0 {
                along += across * grad_y[u32(base + q) * params.channels + channel];
            }
        }
        sum += down * along;
    }
    grad_x[at] = sum;
}
