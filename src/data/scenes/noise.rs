//! Smooth random texture over the plane, from a hash of the lattice around a place.

use glam::Vec2;

/// Value noise: the same seed gives the same plane.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    seed: u32,
}

impl Noise {
    pub fn new(seed: u64) -> Self {
        Noise { seed: (seed ^ (seed >> 32)) as u32 }
    }

    /// 0 to 1, varying over about one unit.
    pub fn at(&self, p: Vec2) -> f32 {
        let cell = p.floor();
        let t = p - cell;
        let t = t * t * (Vec2::splat(3.0) - 2.0 * t);
        let (x, y) = (cell.x as i32, cell.y as i32);
        let row = |y| self.corner(x, y) + (self.corner(x.wrapping_add(1), y) - self.corner(x, y)) * t.x;
        let (top, bottom) = (row(y), row(y.wrapping_add(1)));
        top + (bottom - top) * t.y
    }

    fn corner(&self, x: i32, y: i32) -> f32 {
        let mut h =
            self.seed ^ (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77).rotate_left(13);
        h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
        h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
        (h ^ (h >> 15)) as f32 / u32::MAX as f32
    }
}
