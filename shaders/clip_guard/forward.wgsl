// uses: workgroup_reduce
// norm = sqrt(sum of sums). control = (clip, finite, hyper...): finite is 1 where norm and loss are finite, told by exponent
// bits, else 0; clip is min(1, max_norm / (norm + 1e-6)), or 1 without a maximum; PyTorch's clip_grad_norm_.
// Where `growth` is not 0, the gradients are those of a loss that was multiplied by scaling[0]: norm and clip have it divided out, and
// new_scaling is (the scale of the next step, finite steps since it last changed): half of it after a step that was not finite, twice
// as much after `growth` steps that were; PyTorch's GradScaler.
// One workgroup: invocation l adds sums l, l + 256, ... in order, then the workgroup adds its 256 sums (workgroup_reduce).

struct Params {
    origin: vec4<u32>,
    n: u32,
    max_norm: f32,
    has_loss: u32,
    growth: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> hyper: array<f32>;
@group(0) @binding(3) var<storage, read> loss: array<f32>;
@group(0) @binding(4) var<storage, read> scaling: array<f32>;
@group(0) @binding(5) var<storage, read_write> control: array<f32>;
@group(0) @binding(6) var<storage, read_write> norm: array<f32>;
@group(0) @binding(7) var<storage, read_write> new_scaling: array<f32>;

// Between these the scale stays, so that it neither vanishes nor overflows.
const LEAST = 1.0;
const MOST = 16777216.0;

var<workgroup> broken: array<u32, 256>;

fn is_broken(v: f32) -> u32 {
    return select(0u, 1u, (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    var bad = 0u;
    for (var i = lane; i < params.n; i += 256u) {
        bad |= is_broken(sums[i]);
        sum += sums[i];
    }
    broken[lane] = bad;
    let total = workgroup_sum(sum, lane);
    if lane == 0u {
        for (var l = 1u; l < 256u; l++) {
            bad |= broken[l];
        }
        if params.has_loss == 1u {
            bad |= is_broken(loss[0]);
        }
        // A sum that overflowed is no use as a norm either.
        bad |= is_broken(total);
        var scale = 1.0;
        if params.growth > 0u {
            scale = scaling[0];
            let steps = scaling[1] + 1.0;
            let grows = steps >= f32(params.growth);
            let finite_scale = select(scale, min(2.0 * scale, MOST), grows);
            new_scaling[0] = select(finite_scale, max(0.5 * scale, LEAST), bad == 1u);
            new_scaling[1] = select(steps, 0.0, grows || bad == 1u);
        }
        let length = sqrt(total) / scale;
        var clip = 1.0;
        if params.max_norm > 0.0 {
            clip = min(1.0, params.max_norm / (length + 1e-6));
        }
        norm[0] = bitcast<f32>(bitcast<u32>(length) | (bad * 0x7fc00000u));
        control[0] = select(clip / scale, 0.0, bad == 1u);
        control[1] = 1.0 - f32(bad);
        for (var i = 0u; i < 6u; i++) {
            control[i + 2u] = hyper[i];
        }
    }
}
