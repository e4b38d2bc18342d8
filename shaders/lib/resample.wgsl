// Where a pixel of a resized axis looks: between `low` and `high` of the source, at `weight` of the way. The coordinates are
// PyTorch's (torch.nn.functional.interpolate): `step` source pixels per output pixel, computed in f32 as there.

const NEAREST: u32 = 0u;
const NEAREST_EXACT: u32 = 1u;
const BILINEAR: u32 = 2u;
const ALIGN_CORNERS: u32 = 3u;

struct Tap {
    low: i32,
    high: i32,
    weight: f32,
}

fn tap(mode: u32, at: i32, step: f32, extent: i32) -> Tap {
    switch mode {
        case NEAREST: {
            let i = min(i32(floor(f32(at) * step)), extent - 1);
            return Tap(i, i, 0.0);
        }
        case NEAREST_EXACT: {
            let i = min(i32(floor((f32(at) + 0.5) * step)), extent - 1);
            return Tap(i, i, 0.0);
        }
        default: {
            let centre = (f32(at) + 0.5) * step - 0.5;
            let source = max(select(centre, f32(at) * step, mode == ALIGN_CORNERS), 0.0);
            let low = min(i32(source), extent - 1);
            return Tap(low, min(low + 1, extent - 1), clamp(source - f32(low), 0.0, 1.0));
        }
    }
}
