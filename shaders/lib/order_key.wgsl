// Unsigned keys in the order of floats, from their bits: a > b as floats exactly if order_key(a) > order_key(b). NaN is 0, below
// minus infinity; both zeros are one key.
fn order_key(bits: u32) -> u32 {
    let magnitude = bits & 0x7fffffffu;
    if magnitude > 0x7f800000u {
        return 0u;
    }
    if magnitude == 0u {
        return 0x80000000u;
    }
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
