// For gradients of pooled regions: bit b of lists[n, tile, word] says whether region 32 * word + b of picture n may touch the tile of 8 x 8 elements.
// bounds has the first and last row and the first and last column that a region touches; the last is before the first where there is nothing.
// One invocation makes one word; the grid is (ceil(tiles * words / 256), N); the tail is guarded here. Tiles are in row-major order.
// uses: roi_tiles

struct Params {
    origin: vec4<u32>,
    n: u32,
    rois: u32,
    words: u32,
    tiles_width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> bounds: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> lists: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    let picture = group.y + params.origin.y;
    if i >= params.n {
        return;
    }
    let tile = i / params.words;
    let first = (i - tile * params.words) * 32u;
    let row = tile / params.tiles_width;
    let top = f32(row * LISTED);
    let left = f32((tile - row * params.tiles_width) * LISTED);
    let side = f32(LISTED - 1u);
    var word = 0u;
    for (var b = 0u; b < min(32u, params.rois - first); b++) {
        let reach = bounds[picture * params.rois + first + b];
        let rows = reach.x <= reach.y && reach.y >= top && reach.x <= top + side;
        let columns = reach.z <= reach.w && reach.w >= left && reach.z <= left + side;
        word |= select(0u, 1u << b, rows && columns);
    }
    lists[picture * params.n + i] = word;
}
