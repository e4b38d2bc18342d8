// y[n, r, i, j, c] = largest of x over bin (i, j) of region r: rows floor(i * rows / bins) .. ceil((i + 1) * rows / bins) of the region, columns likewise,
// as far as they lie on the map; indices = where it lies, row * width + column, of equal elements the first. A bin without elements has 0
// and the index -1. A NaN never replaces a number.
// One invocation makes one element (of LANES channels). Grid: (ceil(n / 256), rois, N); the tail is guarded here. Joined with lanes1 or lanes4.
// uses: roi_pool

@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read> rois: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<V>;
@group(0) @binding(4) var<storage, read_write> indices: array<W>;

// The elements start..end of a bin that lie on the map.
fn span(start: i32, side: i32, bin: i32, bins: i32, extent: i32) -> vec2<i32> {
    let first = start + bin * side / bins;
    let end = start + ((bin + 1) * side + bins - 1) / bins;
    return clamp(vec2<i32>(first, end), vec2<i32>(0), vec2<i32>(extent));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let i = group.x * 256u + lane;
    if i >= params.n {
        return;
    }
    let bin = i / params.channels;
    let channel = i - bin * params.channels;
    let row = i32(bin) / params.bins_width;
    let roi = group.z * params.rois + group.y;
    let window = covered(vec4<u32>(rois[4u * roi], rois[4u * roi + 1u], rois[4u * roi + 2u], rois[4u * roi + 3u]));
    let rows = span(window.x, window.z, row, params.bins_height, params.height);
    let columns = span(window.y, window.w, i32(bin) - row * params.bins_width, params.bins_width, params.width);
    var best = V(0.0);
    var place = W(0xffffffffu);
    for (var r = rows.x; r < rows.y; r++) {
        for (var c = columns.x; c < columns.y; c++) {
            let at = u32(r * params.width + c);
            let v = x[(group.z * u32(params.height * params.width) + at) * params.channels + channel];
            let better = (v > best) | (place == W(0xffffffffu));
            place = select(place, W(at), better);
            best = select(best, v, better);
        }
    }
    y[roi * params.n + i] = best;
    indices[roi * params.n + i] = place;
}
