// Winograd's transforms in one dimension, for a kernel of three taps: F(2, 3) and F(4, 3) in one text.
//
// Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and Gray, arXiv:1509.09308. A tile of m outputs is the product of two polynomials
// at m + 1 points and at infinity. The points are 0, p, -p, infinity, q, -q in this order; F(2, 3) has the first four. All that
// differs between the two is in the uniform, so that a driver compiles one kernel for both.

struct Params {
    origin: vec4<u32>,
    picture: vec4<u32>,      // n, h, w, channels of the input or output
    tiles: vec4<u32>,        // tile rows and tile columns of a picture, first tile row of this launch, outputs along a tile: 2 or 4
    matrices: vec4<u32>,     // elements from tile to tile (input channel to input channel), points: 4 or 6, columns gone through: 6, or 3 taps, 0
    weight: vec4<u32>,       // input and output channels, elements from one to the next of either
    base: vec4<i32>,         // input row and column of the first tap of output 0, first tap and tap step of the weight
    factors: vec4<f32>,      // of the input: z0, z2, e2, e4
    points: vec4<f32>,       // f2, p, q, 1 where infinity counts in the second output
    powers: vec4<f32>,       // p^2, q^2, p^3, q^3
    weight_p: vec4<f32>,     // of the weight: at 0; at p by powers of p
    weight_q: vec4<f32>,     // at q by powers of q
    slope: f32,              // of the activation
    has_bias: u32,
    has_residual: u32,
    activation: u32,         // code of the activation
}

@group(0) @binding(0) var<uniform> params: Params;

// A value for each of six columns, or for each of the points.
struct Six {
    v0: vec2<f32>,
    v1: vec2<f32>,
    v2: vec2<f32>,
    v3: vec2<f32>,
    v4: vec2<f32>,
    v5: vec2<f32>,
}

// The last five, and a new one.
fn push(s: Six, newest: vec2<f32>) -> Six {
    return Six(s.v1, s.v2, s.v3, s.v4, s.v5, newest);
}

// Six inputs (four and zeros) to their values at the points.
fn input_at_points(d: Six) -> Six {
    let z = params.factors.xy;
    let e = params.factors.zw;
    let f = params.points.x;
    let even_p = e.x * d.v2 + e.y * d.v4;
    let odd_p = params.points.y * (e.x * d.v1 + e.y * d.v3);
    let even_q = f * d.v2 + d.v4;
    let odd_q = params.points.z * (f * d.v1 + d.v3);
    return Six(
        z.x * d.v0 + z.y * d.v2 + d.v4, even_p + odd_p, even_p - odd_p,
        z.x * d.v1 + z.y * d.v3 + d.v5, even_q + odd_q, even_q - odd_q,
    );
}

// Three taps to their values at the points.
fn weight_at_points(w0: vec2<f32>, w1: vec2<f32>, w2: vec2<f32>) -> Six {
    let p = params.weight_p;
    let q = params.weight_q;
    let even_p = p.y * w0 + p.w * w2;
    let odd_p = p.z * w1;
    let even_q = q.y * w0 + q.w * w2;
    let odd_q = q.z * w1;
    return Six(p.x * w0, even_p + odd_p, even_p - odd_p, w2, even_q + odd_q, even_q - odd_q);
}

// Products at the points to four outputs (two and what does not count).
fn outputs(products: Six) -> mat4x2<f32> {
    let k = params.powers;
    let sum_p = products.v1 + products.v2;
    let sum_q = products.v4 + products.v5;
    let difference_p = products.v1 - products.v2;
    let difference_q = products.v4 - products.v5;
    return mat4x2<f32>(
        products.v0 + sum_p + sum_q,
        params.points.y * difference_p + params.points.z * difference_q + params.points.w * products.v3,
        k.x * sum_p + k.y * sum_q,
        k.z * difference_p + k.w * difference_q + products.v3,
    );
}
