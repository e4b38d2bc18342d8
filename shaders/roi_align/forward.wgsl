// y[n, r, i, j, c] = mean of x over the samples of bin (i, j) of region r, each read bilinearly; a sample more than one element outside the
// map counts as 0. He et al. 2017; torchvision's roi_align. One launch for each level of a pyramid over the same y: a launch writes
// the regions of its level, the first one also the zeros of regions of no level.
// One invocation makes one element (of LANES channels) of `each` regions in turn; those of other levels cost it two loops of no round.
// Grid: (ceil(n / 256), ceil(rois / each), N); the tails are guarded here. Samples are summed by rows, from the top. Without levels the regions
// are bound as levels too. Joined with lanes1 or lanes4.
// uses: roi_align

@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read> rois: array<u32>;
@group(0) @binding(3) var<storage, read> levels: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<V>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = workgroup + params.origin.xyz;
    let i = group.x * 256u + lane;
    if i >= params.n {
        return;
    }
    let bin = i / params.channels;
    let channel = i - bin * params.channels;
    let bin_row = bin / params.bins_width;
    let row = f32(bin_row);
    let column = f32(bin - bin_row * params.bins_width);
    let last = min((group.y + 1u) * params.each, params.rois);
    for (var r = group.y * params.each; r < last; r++) {
        let roi = group.z * params.rois + r;
        let bits = vec4<u32>(rois[4u * roi], rois[4u * roi + 1u], rois[4u * roi + 2u], rois[4u * roi + 3u]);
        let level = levels[roi];
        let found = region(bits, level);
        let down = found.down;
        let across = found.across;
        // The samples of this bin that can count.
        let rows = samples_between(down, f32(params.bins_height), -1.0, f32(params.height));
        let columns = samples_between(across, f32(params.bins_width), -1.0, f32(params.width));
        let bottom = min(rows.y, (row + 1.0) * down.grid - 1.0);
        let right = min(columns.y, (column + 1.0) * across.grid - 1.0);
        var sum = V(0.0);
        for (var s = max(rows.x, row * down.grid); s <= bottom; s += 1.0) {
            let v = roi_tap(sample_at(down, s), params.height);
            if !v.counts {
                continue;
            }
            let above = (group.z * params.height + v.low) * params.width * params.channels + channel;
            let below = (group.z * params.height + v.high) * params.width * params.channels + channel;
            for (var t = max(columns.x, column * across.grid); t <= right; t += 1.0) {
                let u = roi_tap(sample_at(across, t), params.width);
                if u.counts {
                    let near = u.low * params.channels;
                    let far = u.high * params.channels;
                    let upper = (1.0 - u.weight) * x[above + near] + u.weight * x[above + far];
                    let lower = (1.0 - u.weight) * x[below + near] + u.weight * x[below + far];
                    sum += (1.0 - v.weight) * upper + v.weight * lower;
                }
            }
        }
        // A region that nobody pools is the first launch's.
        let nobody = params.level == 0u && level >= params.levels;
        if params.levels == 1u || level == params.level || nobody {
            y[roi * params.n + i] = sum / max(down.grid * across.grid, 1.0);
        }
    }
}
