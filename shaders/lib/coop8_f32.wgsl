// Cooperative matrices of 8 by 8 floats. coop8_f16 and coop16_f16 have the same names for other matrices: a kernel joined with any of
// the three keeps factors as `CoopNumber` and sees sums as f32.

enable wgpu_cooperative_matrix;

alias CoopNumber = f32;
alias CoopA = coop_mat8x8<f32, A>;
alias CoopB = coop_mat8x8<f32, B>;
alias CoopC = coop_mat8x8<f32, C>;
const SIDE = 8u;
