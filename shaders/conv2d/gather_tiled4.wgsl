// uses: activation, conv_gather, tile_product
// y[n, o, co] = activation(sum over taps k and channels i of x[n, in(o, k), i] * w[k, i, co] + bias[co] + residual[n, o, co])
//
// gather_tiled for layers that are large and even: input channels of a group in eights, output channels in fours. Rows of the large tiles
// (tile_product) are the pixels of a phase, columns the output channels of a group. The sum runs tap by tap, eight channels at a time; a pixel's place is
// found once for each tap and nothing is divided within. The grid is (ceil(pixels / SIDE), groups * blocks of SIDE channels, phases). With INSIDE no tile reaches
// beyond the pixels or the channels and no tap beyond the picture, and nothing is checked; else loads outside give zeros and stores are guarded.

override INSIDE: bool = false;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<Weight4>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

// Where a pixel's input for a tap starts in x, in vectors, and whether it is there.
struct Place {
    at: u32,
    inside: bool,
}

fn place(pixel: vec3<u32>, k: vec2<u32>, channel: u32) -> Place {
    let at = input_position(pixel, k);
    let inside = INSIDE || (pixel.x < params.input.x && is_input(at));
    let line = (pixel.x * params.input.y + u32(at.x)) * params.input.z + u32(at.y);
    return Place(select(0u, (line * params.input.w + channel) / 4u, inside), inside);
}

fn store(at: u32, column: u32, sum: vec4<f32>) {
    var v = sum;
    if params.has_bias == 1u {
        v += bias[column];
    }
    if params.has_residual == 1u {
        v += residual[at + column];
    }
    y[at + column] = activate4(v, params.activation, params.slope);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group + params.origin.xyz;
    let of_group = g.y / params.blocks;
    let quads = params.kernel.w / 4u;
    let first_quad = g.y % params.blocks * (SIDE / 4u);
    let residue = vec2<u32>(g.z / params.phase.w, g.z % params.phase.w);
    let first = vec2<u32>(first_tap_y(residue.x), first_tap_x(residue.y));

    let row = lane / 2u;
    let half = lane % 2u;
    let pixel0 = output_pixel(g.x * SIDE + row, residue);
    let pixel1 = output_pixel(g.x * SIDE + row + SIDE / 2u, residue);
    let channel = of_group * params.kernel.z + 4u * half;
    let quad = first_quad + quarter_of(lane);
    let has_quad = INSIDE || quad < quads;
    let stride = params.output.w / 4u;
    let own_w = step_of(lane) * stride + of_group * quads + min(quad, quads - 1u);

    for (var ky = first.x; ky < params.kernel.x; ky += params.step.z) {
        for (var kx = first.y; kx < params.kernel.y; kx += params.step.w) {
            let k = vec2<u32>(ky, kx);
            let place0 = place(pixel0, k, channel);
            let place1 = place(pixel1, k, channel);
            var at_w = own_w + (ky * params.kernel.y + kx) * params.kernel.z * stride;
            for (var i = 0u; i < params.kernel.z / 4u; i += 2u) {
                put_a(row, half, select(vec4<f32>(), x[place0.at + i], place0.inside));
                tile_b[lane] = select(vec4<f32>(), weight4(w[at_w]), has_quad);
                if fills_twice() {
                    put_a(row + SIDE / 2u, half, select(vec4<f32>(), x[place1.at + i], place1.inside));
                    tile_b[lane + LANES] = select(vec4<f32>(), weight4(w[at_w + 4u * stride]), has_quad);
                }
                at_w += 8u * stride;
                add_steps(lane);
            }
        }
    }

    let column0 = first_quad + own_quarter(lane);
    let column1 = column0 + SIDE / 8u;
    for (var r = 0u; r < params.rounds; r++) {
        let m = g.x * SIDE + own_row(lane, r);
        let pixel = output_pixel(m, residue);
        if INSIDE || is_output(m, pixel) {
            let at = ((pixel.x * params.output.y + pixel.y) * params.output.z + pixel.z) * stride;
            if INSIDE || column0 < quads {
                store(at, of_group * quads + column0, sums[0]);
            }
            if INSIDE || column1 < quads {
                store(at, of_group * quads + column1, sums[1]);
            }
        }
        next_row();
    }
}
