// Element types of a kernel that works on one number at a time; `lanes4` has the same names for four.

alias V = f32;
alias W = u32;
// A pair for each number, in memory one after the other.
alias P = vec2<f32>;
const LANES: u32 = 1u;

fn pairs(a: V, b: V) -> P {
    return vec2<f32>(a, b);
}
