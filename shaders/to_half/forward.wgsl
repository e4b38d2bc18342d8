// uses: elements
// y[i] = x[i] as IEEE half precision, rounded to nearest, ties to even; numbers beyond the largest half become the largest half.
// One invocation makes one word: elements 2i in its lower and 2i + 1 in its upper half (zero behind an odd end). The grid is
// ceil(words / 256); the last workgroup guards the tail. Integer arithmetic: how pack2x16float rounds is left to the device.

@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

// The sixteen bits of the float with these bits.
fn half_bits(bits: u32) -> u32 {
    let sign = (bits >> 16u) & 0x8000u;
    let size = bits & 0x7fffffffu;
    if size > 0x7f800000u {
        return sign | 0x7e00u; // not a number
    }
    if size == 0x7f800000u {
        return sign | 0x7c00u; // infinity
    }
    if size >= 0x477ff000u {
        return sign | 0x7bffu; // beyond 65504
    }
    if size >= 0x38800000u {
        let rounded = size + 0xfffu + ((size >> 13u) & 1u);
        return sign | ((rounded - 0x38000000u) >> 13u);
    }
    // Below 2^-14 halves are multiples of 2^-24: the significand moves right by 14 to 24 places, or everything is gone.
    let shift = 126u - (size >> 23u);
    if shift > 25u {
        return sign;
    }
    let significand = (size & 0x7fffffu) | 0x800000u;
    let rest = significand & ((1u << shift) - 1u);
    let middle = 1u << (shift - 1u);
    let whole = significand >> shift;
    let up = rest > middle || (rest == middle && (whole & 1u) == 1u);
    return sign | (whole + select(0u, 1u, up));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = 2u * ((group.x + params.origin.x) * 256u + lane);
    if i < params.n {
        var word = half_bits(x[i]);
        if i + 1u < params.n {
            word |= half_bits(x[i + 1u]) << 16u;
        }
        y[i / 2u] = word;
    }
}
