// What the kernels of sample_balanced share: the uniform, what they know of each row, and the key by which an element is chosen. For
// given seed, step and node the key is a bijection of the element's number (`pcg` is one, and so is xor), so no two are alike.
// uses: hash

struct Params {
    origin: vec4<u32>,
    length: u32,
    groups: u32,
    shift: u32,
    size: u32,
    positives: u32,
    seed: u32,
    node: u32,
    pad0: u32,
}

// A selection of the smallest keys of one kind in one row. While it goes on, `cut` holds the leading digits of the largest key that is
// chosen; then that key.
struct Selection {
    cut: u32,
    // How many of the keys that begin like `cut` are still to be taken.
    left: u32,
    // 1 where there is nothing to select: all are taken, or none.
    settled: u32,
    // How many are taken in all.
    taken: u32,
}

// Elements that a workgroup looks at.
const CHUNK = 4096u;

const POSITIVE = 0u;
const NEGATIVE = 1u;
const NEITHER = 2u;

fn kind_of(matched_to: i32) -> u32 {
    return select(select(NEITHER, NEGATIVE, matched_to == -1), POSITIVE, matched_to >= 0);
}

fn key_prefix(at_step: u32) -> u32 {
    return pcg(params.node ^ pcg(at_step ^ pcg(params.seed)));
}

fn key_of(prefix: u32, element: u32) -> u32 {
    return pcg(element ^ prefix);
}
