// The uniform of the losses that are made of sums over rows: Dice, Jaccard, and entropy with Jaccard.

struct Params {
    origin: vec4<u32>,
    rows: u32,
    row: u32,
    chunks: u32,
    // Elements that share one weight of the entropy: 0 no weights.
    weight_div: u32,
    // 0 dice, 1 Jaccard, 2 entropy and Jaccard.
    kind: u32,
    // 1: minus its logarithm.
    log: u32,
    eps: f32,
    alpha: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
