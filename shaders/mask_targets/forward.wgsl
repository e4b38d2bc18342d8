// y[n * rois + r, i, j] = mean over the samples of bin (i, j) of region r of the mask of true box matched[n, r], each read bilinearly, as many
// samples each way as the bin has pixels, rounded up; 0 where no box is matched. Mask R-CNN's targets (He et al. 2017; torchvision's
// project_masks_on_boxes). Bit x % 32 of word x / 32 of a row is pixel x. A mask ends with its picture where sizes are given, else with its words:
// samples just beyond the end read the last pixel. Without sizes the regions are bound as sizes too.
// One invocation makes one element; the grid is ceil(n / 256); the tail is guarded here. Samples are summed by rows, from the top.
// uses: roi_axis

struct Params {
    origin: vec4<u32>,
    n: u32,
    size: u32,
    rois: u32,
    truths: u32,
    height: u32,
    words: u32,
    sized: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gt_masks: array<u32>;
@group(0) @binding(2) var<storage, read> rois: array<u32>;
@group(0) @binding(3) var<storage, read> matched: array<i32>;
@group(0) @binding(4) var<storage, read> image_sizes: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

// Pixel `column` of the row that starts at word `row`.
fn pixel(row: u32, column: u32) -> f32 {
    return f32((gt_masks[row + (column >> 5u)] >> (column & 31u)) & 1u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.origin.x) * 256u + lane;
    if i >= params.n {
        return;
    }
    let line = i / params.size;
    let column = f32(i - line * params.size);
    let roi = line / params.size;
    let row = f32(line - roi * params.size);
    // A negative index is a large unsigned one.
    let truth = u32(matched[roi]);
    let bits = vec4<u32>(rois[4u * roi], rois[4u * roi + 1u], rois[4u * roi + 2u], rois[4u * roi + 3u]);
    var down = NO_SAMPLES;
    var across = NO_SAMPLES;
    if truth < params.truths && roi_present(bits) {
        let box = bitcast<vec4<f32>>(bits);
        down = roi_axis(box.y, box.w, f32(params.size), 0.0, false);
        across = roi_axis(box.x, box.z, f32(params.size), 0.0, false);
    }
    let picture = roi / params.rois;
    let base = (picture * params.truths + min(truth, params.truths - 1u)) * params.height;
    var height = params.height;
    var width = params.words * 32u;
    if params.sized == 1u {
        height = u32(clamp(bitcast<f32>(image_sizes[2u * picture]), 1.0, f32(height)));
        width = u32(clamp(bitcast<f32>(image_sizes[2u * picture + 1u]), 1.0, f32(width)));
    }
    let rows = samples_between(down, f32(params.size), -1.0, f32(height));
    let columns = samples_between(across, f32(params.size), -1.0, f32(width));
    let bottom = min(rows.y, (row + 1.0) * down.grid - 1.0);
    let right = min(columns.y, (column + 1.0) * across.grid - 1.0);
    var sum = 0.0;
    for (var s = max(rows.x, row * down.grid); s <= bottom; s += 1.0) {
        let v = roi_tap(sample_at(down, s), height);
        if !v.counts {
            continue;
        }
        let above = (base + v.low) * params.words;
        let below = (base + v.high) * params.words;
        for (var t = max(columns.x, column * across.grid); t <= right; t += 1.0) {
            let u = roi_tap(sample_at(across, t), width);
            if u.counts {
                let upper = mix(pixel(above, u.low), pixel(above, u.high), u.weight);
                let lower = mix(pixel(below, u.low), pixel(below, u.high), u.weight);
                sum += mix(upper, lower, v.weight);
            }
        }
    }
    y[i] = sum / max(down.grid * across.grid, 1.0);
}
