// Sides of the tiles of elements for which gradients of pooled regions list the regions that touch them, and of the tiles that a workgroup
// sums: four of those to a list.
const LISTED: u32 = 8u;
const SUMMED: u32 = 4u;
