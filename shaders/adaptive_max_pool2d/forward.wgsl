// y[o] = largest of x over rows floor(o * in / out) .. ceil((o + 1) * in / out), and columns likewise; indices = where it lies, as
// row * in_width + column, of equal elements the first. A NaN never replaces a number.
// One invocation makes one output element (four channels in the wide form). Grid: (ceil(out_width * channels / 256), out_height, N);
// the tail of a row is guarded here. Every window holds an element.
// uses: pool2d

@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read_write> y: array<V>;
@group(0) @binding(3) var<storage, read_write> indices: array<W>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let i = group.x * 256u + lane;
    let column = i32(i / params.channels);
    let channel = i % params.channels;
    if column >= params.out_width {
        return;
    }
    let top = adaptive_start(i32(group.y), params.in_height, params.out_height);
    let bottom = adaptive_end(i32(group.y), params.in_height, params.out_height);
    let left = adaptive_start(column, params.in_width, params.out_width);
    let right = adaptive_end(column, params.in_width, params.out_width);
    var best = x[input_at(group.z, top, left, channel)];
    var place = W(u32(top * params.in_width + left));
    for (var r = top; r < bottom; r++) {
        for (var c = left; c < right; c++) {
            let v = x[input_at(group.z, r, c, channel)];
            place = select(place, W(u32(r * params.in_width + c)), v > best);
            best = select(best, v, v > best);
        }
    }
    let to = output_at(group.z, i32(group.y), column, channel);
    y[to] = best;
    indices[to] = place;
}
