// Element types of a kernel that works on four numbers at a time; `lanes1` has the same names for one.

alias V = vec4<f32>;
alias W = vec4<u32>;
const LANES: u32 = 4u;
