// For the gradient: what each region covers (first row, first column, rows, columns), and the same as bounds (first and last row, first and last
// column; the last before the first where there is nothing). One invocation takes one region; the grid is ceil(n / 256), n = N * rois; the tail is
// guarded here.
// uses: roi_pool

@group(0) @binding(1) var<storage, read> rois: array<u32>;
@group(0) @binding(2) var<storage, read_write> windows: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read_write> bounds: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let roi = (group.x + params.origin.x) * 256u + lane;
    if roi >= params.n {
        return;
    }
    let window = covered(vec4<u32>(rois[4u * roi], rois[4u * roi + 1u], rois[4u * roi + 2u], rois[4u * roi + 3u]));
    windows[roi] = window;
    bounds[roi] = vec4<f32>(vec4<i32>(window.x, window.x + window.z - 1, window.y, window.y + window.w - 1));
}
