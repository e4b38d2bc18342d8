// Cooperative matrices of 16 by 16 halves, whose products are added up as f32. coop8_f32 says how the names are used.

enable f16;
enable wgpu_cooperative_matrix;

alias CoopNumber = f16;
alias CoopA = coop_mat16x16<f16, A>;
alias CoopB = coop_mat16x16<f16, B>;
alias CoopC = coop_mat16x16<f32, C>;
const SIDE = 16u;
