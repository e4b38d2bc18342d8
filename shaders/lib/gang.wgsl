// What a workgroup of a gang works on (`ops::Gang`): a piece of 16384 elements, or what is left, of one of its tensors. The tensors are
// found in windows, bindings over all tensors of one kind, in steps of four elements.

struct Piece {
    // Elements of the piece. What the last step of four holds beyond them belongs to nobody.
    elements: u32,
    // The launch's own number plus the piece's place in its tensor.
    number: u32,
    pad0: u32,
    pad1: u32,
    // Where the piece begins in each window, in steps of four elements.
    first: vec4<u32>,
}
