// The inner product of the large tiles, for devices with fast workgroup memory. A workgroup makes SIDE by SIDE sums, 128 or 64; each of its
// LANES = (SIDE / 8)^2 invocations 8 by 8 of them, so that what it reads of workgroup memory (8 KiB) is used eight times. Kernels fill the
// tiles with eight steps of the sum and call add_steps; where the numbers come from is their index map. One f32 accumulator for each sum, steps in order.

override SIDE: u32 = 64u;
override LANES: u32 = 64u;

// [step][quarter of the side], four rows or columns to a vector.
var<workgroup> tile_a: array<vec4<f32>, 256>;
var<workgroup> tile_b: array<vec4<f32>, 256>;

// [row][column below or above half the side], four columns to a vector.
var<private> sums: array<vec4<f32>, 16>;

// Filling: factors whose neighbours lie along the sum come as four steps of one row. Invocation `lane` takes row lane / 2 and half lane % 2 of the
// steps, in a tile of 64 also row lane / 2 + 32.
fn put_a(row: u32, half: u32, v: vec4<f32>) {
    let to = half * SIDE + row / 4u;
    tile_a[to][row % 4u] = v.x;
    tile_a[to + SIDE / 4u][row % 4u] = v.y;
    tile_a[to + SIDE / 2u][row % 4u] = v.z;
    tile_a[to + SIDE / 4u * 3u][row % 4u] = v.w;
}

fn put_b(column: u32, half: u32, v: vec4<f32>) {
    let to = half * SIDE + column / 4u;
    tile_b[to][column % 4u] = v.x;
    tile_b[to + SIDE / 4u][column % 4u] = v.y;
    tile_b[to + SIDE / 2u][column % 4u] = v.z;
    tile_b[to + SIDE / 4u * 3u][column % 4u] = v.w;
}

// Factors whose neighbours lie across it come as four rows of one step: invocation `lane` takes entry `lane` of the tile, of a tile of 64 also
// entry lane + 64. This is an entry's step, and its quarter of the side.
fn step_of(entry: u32) -> u32 {
    return entry / (SIDE / 4u);
}

fn quarter_of(entry: u32) -> u32 {
    return entry % (SIDE / 4u);
}

// Whether an invocation fills twice.
fn fills_twice() -> bool {
    return SIDE < 128u;
}

// Adds eight steps, once all invocations have filled theirs; the tiles may be filled again afterwards.
fn add_steps(lane: u32) {
    let side = SIDE / 8u;
    workgroupBarrier();
    for (var s = 0u; s < 8u; s++) {
        let row = s * (SIDE / 4u) + lane / side;
        let column = s * (SIDE / 4u) + lane % side;
        let a = tile_a[row];
        let b = tile_a[row + side];
        let c = tile_b[column];
        let d = tile_b[column + side];
        sums[0] += a.x * c;
        sums[1] += a.x * d;
        sums[2] += a.y * c;
        sums[3] += a.y * d;
        sums[4] += a.z * c;
        sums[5] += a.z * d;
        sums[6] += a.w * c;
        sums[7] += a.w * d;
        sums[8] += b.x * c;
        sums[9] += b.x * d;
        sums[10] += b.y * c;
        sums[11] += b.y * d;
        sums[12] += b.z * c;
        sums[13] += b.z * d;
        sums[14] += b.w * c;
        sums[15] += b.w * d;
    }
    workgroupBarrier();
}

// Storing: sums[0] and sums[1] are row `own_row(lane, 0)` of the tile at quarters `own_quarter(lane)` and that plus SIDE / 8. next_row moves
// row own_row(lane, 1) there, and so on to 7, so that the text stores twice and not sixteen times.
fn own_row(lane: u32, r: u32) -> u32 {
    return lane / (SIDE / 8u) * 4u + r % 4u + r / 4u * (SIDE / 2u);
}

fn own_quarter(lane: u32) -> u32 {
    return lane % (SIDE / 8u);
}

fn next_row() {
    sums[0] = sums[2];
    sums[1] = sums[3];
    sums[2] = sums[4];
    sums[3] = sums[5];
    sums[4] = sums[6];
    sums[5] = sums[7];
    sums[6] = sums[8];
    sums[7] = sums[9];
    sums[8] = sums[10];
    sums[9] = sums[11];
    sums[10] = sums[12];
    sums[11] = sums[13];
    sums[12] = sums[14];
    sums[13] = sums[15];
}
