// Element types of a kernel that works on four numbers at a time; `lanes1` has the same names for one.

alias V = vec4<f32>;
alias W = vec4<u32>;
// A pair for each number, in memory one after the other.
struct P {
    low: vec4<f32>,
    high: vec4<f32>,
}
const LANES: u32 = 4u;

fn pairs(a: V, b: V) -> P {
    return P(vec4<f32>(a.x, b.x, a.y, b.y), vec4<f32>(a.z, b.z, a.w, b.w));
}
