// Weights as f16, loaded as such and widened, which is exact. `weight_f32` says how the names are used.

enable f16;

alias Weight1 = f16;
alias Weight2 = vec2<f16>;
alias Weight4 = vec4<f16>;
const WEIGHT_SHIFT = 0u;

fn weight1(v: Weight1, i: u32) -> f32 {
    return f32(v);
}

fn weight2(v: Weight2) -> vec2<f32> {
    return vec2<f32>(v);
}

fn weight4(v: Weight4) -> vec4<f32> {
    return vec4<f32>(v);
}
