// Element types of a kernel that works on one number at a time; `lanes4` has the same names for four.

alias V = f32;
alias W = u32;
const LANES: u32 = 1u;
