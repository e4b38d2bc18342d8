// Activations that kernels apply to their result before storing it; `ops::Activation` gives the codes.

fn activate(v: f32, code: u32, slope: f32) -> f32 {
    switch code {
        case 1u: { return max(v, 0.0); }
        case 2u: { return select(slope * v, v, v > 0.0); }
        case 3u: { return v / (1.0 + exp(-v)); }
        case 4u: { return 1.0 / (1.0 + exp(-v)); }
        default: { return v; }
    }
}

fn activate4(v: vec4<f32>, code: u32, slope: f32) -> vec4<f32> {
    switch code {
        case 1u: { return max(v, vec4<f32>(0.0)); }
        case 2u: { return select(slope * v, v, v > vec4<f32>(0.0)); }
        case 3u: { return v / (vec4<f32>(1.0) + exp(-v)); }
        case 4u: { return vec4<f32>(1.0) / (vec4<f32>(1.0) + exp(-v)); }
        default: { return v; }
    }
}
