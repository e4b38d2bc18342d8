// Cooperative matrices of 8 by 8 halves, whose products are added up as f32. coop8_f32 says how the names are used.

enable f16;
enable wgpu_cooperative_matrix;

alias CoopNumber = f16;
alias CoopA = coop_mat8x8<f16, A>;
alias CoopB = coop_mat8x8<f16, B>;
alias CoopC = coop_mat8x8<f32, C>;
const SIDE = 8u;
