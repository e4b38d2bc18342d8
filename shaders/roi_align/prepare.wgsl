// For the gradient: the axes of each region on this level's map (down, across: start, step, inverse, grid), and bounds of the elements that its
// samples can touch (first and last row, first and last column; the last before the first where there is nothing).
// One invocation takes one region; the grid is ceil(n / 256), n = N * rois; the tail is guarded here.
// Without levels the regions are bound as levels too.
// uses: roi_align

@group(0) @binding(1) var<storage, read> rois: array<u32>;
@group(0) @binding(2) var<storage, read> levels: array<u32>;
@group(0) @binding(3) var<storage, read_write> regions: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> bounds: array<vec4<f32>>;

// First and last element of a map of `extent` that samples of the axis can touch: those within one of the outermost.
fn touched(axis: Axis, bins: f32, extent: u32) -> vec2<f32> {
    if axis.grid == 0.0 {
        return vec2<f32>(1.0, 0.0);
    }
    let ends = vec2<f32>(sample_at(axis, 0.0), sample_at(axis, axis.grid * bins - 1.0));
    let low = min(ends.x, ends.y);
    let high = max(ends.x, ends.y);
    if high < -1.0 || low > f32(extent) {
        return vec2<f32>(1.0, 0.0);
    }
    return vec2<f32>(low - 1.0 - MARGIN, high + 1.0 + MARGIN);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let roi = (group.x + params.origin.x) * 256u + lane;
    if roi >= params.n {
        return;
    }
    let bits = vec4<u32>(rois[4u * roi], rois[4u * roi + 1u], rois[4u * roi + 2u], rois[4u * roi + 3u]);
    let found = region(bits, levels[roi]);
    let down = found.down;
    let across = found.across;
    regions[2u * roi] = vec4<f32>(down.start, down.step, down.inverse, down.grid);
    regions[2u * roi + 1u] = vec4<f32>(across.start, across.step, across.inverse, across.grid);
    let rows = touched(down, f32(params.bins_height), params.height);
    let columns = touched(across, f32(params.bins_width), params.width);
    bounds[roi] = vec4<f32>(rows, columns);
}
