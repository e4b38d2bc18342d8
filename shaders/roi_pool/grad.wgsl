// grad_x[n, h, w, c] = sum of grad_y over the bins of picture n whose index names the element: each element looks through the bins that hold it.
// Regions come from the tile's list, in order; in a region bins by rows, from the top.
// A workgroup makes a tile of 4 x 4 elements by 64 channels (of LANES): lane % 16 is the first of an invocation's four channels, which lie 16
// apart, lane / 16 its element. Grid: (tiles across, tiles down, N * blocks of 64 channels); edges and tails are guarded here. Joined with lanes1 or lanes4.
// uses: roi_pool, roi_tiles

@group(0) @binding(1) var<storage, read> grad_y: array<V>;
@group(0) @binding(2) var<storage, read> indices: array<W>;
@group(0) @binding(3) var<storage, read> windows: array<vec4<i32>>;
@group(0) @binding(4) var<storage, read> lists: array<u32>;
@group(0) @binding(5) var<storage, read_write> grad_x: array<V>;

// First and last bin that holds element `at`, counted from the region's first; none: the last is below the first.
fn holding(at: i32, side: i32, bins: i32) -> vec2<i32> {
    if at < 0 || at >= side {
        return vec2<i32>(0, -1);
    }
    return vec2<i32>(at * bins / side, ((at + 1) * bins + side - 1) / side - 1);
}

fn taken(from_bin: u32, place: u32) -> V {
    return select(V(0.0), grad_y[from_bin], indices[from_bin] == W(place));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let blocks = (params.channels + 63u) / 64u;
    let picture = group.z / blocks;
    let channel = (group.z - picture * blocks) * 64u + (lane & 15u);
    let row = i32(group.y * SUMMED + (lane >> 6u));
    let column = i32(group.x * SUMMED + ((lane >> 4u) & 3u));
    let place = u32(row * params.width + column);
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
            let window = windows[roi];
            let rows = holding(row - window.x, window.z, params.bins_height);
            let columns = holding(column - window.y, window.w, params.bins_width);
            for (var i = rows.x; i <= rows.y; i++) {
                let base = (i32(roi) * params.bins_height + i) * params.bins_width;
                for (var j = columns.x; j <= columns.y; j++) {
                    let from_bin = u32(base + j) * params.channels;
                    sum0 += taken(from_bin + channels.x, place);
                    sum1 += taken(from_bin + channels.y, place);
                    sum2 += taken(from_bin + channels.z, place);
                    sum3 += taken(from_bin + channels.w, place);
                }
            }
        }
    }
    if row < params.height && column < params.width {
        let to = (picture * u32(params.height * params.width) + place) * params.channels;
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
