// grad_x[n, h, w, c] = sum over regions r, bins (i, j) of grad_y[n, r, i, j, c] * down(i, h) * across(j, w) / samples of a bin, where down and
// across are what row h and column w weigh in the samples of a bin: the element's side of roi_align, a gather. Regions come from the tile's
// list, in order; in a region bins by rows, from the top.
// A workgroup makes a tile of 4 x 4 elements by 64 channels (of LANES): lane % 16 is the first of an invocation's four channels, which lie 16
// apart, lane / 16 its element. Grid: (tiles across, tiles down, N * blocks of 64 channels); edges and tails are guarded here. Joined with lanes1 or lanes4.
// uses: roi_align, roi_tiles

@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read> regions: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> lists: array<u32>;
@group(0) @binding(4) var<storage, read_write> grad_x: array<V>;

fn axis(packed: vec4<f32>) -> Axis {
    return Axis(packed.x, packed.y, packed.z, packed.w);
}

// What element `at` weighs in bin `bin`: the sum over those of its samples that lie in `near`.
fn weight(side: Axis, bin: f32, near: vec2<f32>, at: f32, extent: u32) -> f32 {
    let last = min(near.y, (bin + 1.0) * side.grid - 1.0);
    var sum = 0.0;
    for (var s = max(near.x, bin * side.grid); s <= last; s += 1.0) {
        sum += roi_share(sample_at(side, s), at, extent);
    }
    return sum;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let blocks = (params.channels + 63u) / 64u;
    let picture = group.z / blocks;
    let channel = (group.z - picture * blocks) * 64u + (lane & 15u);
    let row = group.y * SUMMED + (lane >> 6u);
    let column = group.x * SUMMED + ((lane >> 4u) & 3u);
    let h = f32(row);
    let w = f32(column);
    // Channels beyond the last read the last and write nothing.
    let channels = min(vec4<u32>(channel) + vec4<u32>(0u, 16u, 32u, 48u), vec4<u32>(params.channels - 1u));
    let tile = (group.y * SUMMED / LISTED) * params.tiles_width + group.x * SUMMED / LISTED;
    let list = (picture * params.tiles_height * params.tiles_width + tile) * params.words;
    var sum0 = V(0.0);
    var sum1 = V(0.0);
    var sum2 = V(0.0);
    var sum3 = V(0.0);
    for (var word = 0u; word < params.words; word++) {
        for (var rest = lists[list + word]; rest != 0u; rest &= rest - 1u) {
            let roi = picture * params.rois + word * 32u + firstTrailingBit(rest);
            let down = axis(regions[2u * roi]);
            let across = axis(regions[2u * roi + 1u]);
            let rows = samples_between(down, f32(params.bins_height), h - 1.0, h + 1.0);
            let columns = samples_between(across, f32(params.bins_width), w - 1.0, w + 1.0);
            let by_row = 1.0 / max(down.grid, 1.0);
            let by_column = 1.0 / max(across.grid, 1.0);
            // Half a sample on keeps the quotients away from whole numbers.
            let bottom = select(-1.0, floor((rows.y + 0.5) * by_row), rows.x <= rows.y);
            let right = select(-1.0, floor((columns.y + 0.5) * by_column), columns.x <= columns.y);
            for (var i = floor((rows.x + 0.5) * by_row); i <= bottom; i += 1.0) {
                let vertical = weight(down, i, rows, h, params.height) * by_row * by_column;
                let base = (roi * params.bins_height + u32(i)) * params.bins_width;
                for (var j = floor((columns.x + 0.5) * by_column); j <= right; j += 1.0) {
                    let share = vertical * weight(across, j, columns, w, params.width);
                    if share != 0.0 {
                        let from_bin = (base + u32(j)) * params.channels;
                        sum0 += share * grad_y[from_bin + channels.x];
                        sum1 += share * grad_y[from_bin + channels.y];
                        sum2 += share * grad_y[from_bin + channels.z];
                        sum3 += share * grad_y[from_bin + channels.w];
                    }
                }
            }
        }
    }
    if row < params.height && column < params.width {
        let to = ((picture * params.height + row) * params.width + column) * params.channels;
        if channel < params.channels {
            grad_x[to + channel] = sum0;
        }
        if channel + 16u < params.channels {
            grad_x[to + channel + 16u] = sum1;
        }
        if channel + 32u < params.channels {
            grad_x[to + channel + 32u] = sum2;
        }
        if channel + 48u < params.channels {
            grad_x[to + channel + 48u] = sum3;
        }
    }
}
