// The uniform of batch norm over the pictures that count. x is (rows, channels), picture n having rows
// n * picture_rows..(n + 1) * picture_rows. Its rows count where counted[n] > 0.

struct Params {
    origin: vec4<u32>,
    rows: u32,
    channels: u32,
    lane_channels: u32,
    lane_rows: u32,
    half_rows: u32,
    chunks: u32,
    chunk_rows: u32,
    pictures: u32,
    picture_rows: u32,
    eps: f32,
    momentum: f32,
    unbiased: u32,
}
