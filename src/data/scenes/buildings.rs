//! The houses along the street, with windows, shops and what is written over them.

use glam::{Vec3, vec2, vec3};

use super::{
    stage::Stage,
    street::Setting,
    text::{Bitmap, Line, rgb},
};
use crate::data::rng::Rng;

/// What shops and boards say: characters that are no licence plate.
pub const WORDS: [&str; 14] = [
    "CAFE",
    "HOTEL 21",
    "BOOKS",
    "SALE 50",
    "BANK",
    "BAR 8",
    "TAXI 4711",
    "PIZZA",
    "OPTIK",
    "KIOSK",
    "MARKT",
    "1 EURO",
    "SHOP 24",
    "STUDIO 7",
];

/// A house with one wall along the street and one that looks down the street.
#[derive(Clone, Debug)]
pub struct Building {
    side: f32,
    edge: f32,
    near: f32,
    far: f32,
    height: f32,
    wall: Vec3,
    roof: Option<Vec3>,
    bay: f32,
    shop: bool,
    details: Rng,
}

/// Buildings on both sides, from far to near.
pub fn buildings(rng: &mut Rng, setting: Setting, edge: f32) -> Vec<Building> {
    let (gap, height): ([f32; 2], [f32; 2]) = match setting {
        Setting::City => ([0.0, 0.6], [8.0, 19.0]),
        Setting::Suburb => ([3.0, 12.0], [4.0, 6.5]),
        Setting::Country => return Vec::new(),
    };
    let walls = [
        rgb(206, 192, 166),
        rgb(186, 110, 84),
        rgb(222, 214, 198),
        rgb(160, 150, 142),
        rgb(198, 164, 116),
        rgb(146, 84, 70),
        rgb(172, 186, 188),
        rgb(216, 182, 158),
    ];
    let mut out = Vec::new();
    for side in [-1.0, 1.0] {
        let mut z = rng.range(-6.0, 4.0);
        while z < 75.0 {
            let long = rng.range(7.0, 15.0);
            let suburb = setting == Setting::Suburb;
            out.push(Building {
                side,
                edge: edge + if suburb { rng.range(2.5, 7.0) } else { rng.range(0.0, 0.5) },
                near: z,
                far: z + long,
                height: rng.range(height[0], height[1]),
                wall: rng.pick(&walls) * rng.range(0.75, 1.0),
                roof: suburb.then(|| rng.pick(&[rgb(150, 76, 58), rgb(84, 80, 82), rgb(120, 94, 76)])),
                bay: rng.range(2.0, 3.4),
                shop: setting == Setting::City && rng.chance(0.55),
                details: rng.fork(out.len() as u64),
            });
            z += long + rng.range(gap[0], gap[1]);
        }
    }
    out.sort_by(|a, b| b.near.total_cmp(&a.near));
    out
}

impl Building {
    pub fn draw(&self, stage: &mut Stage<'_>) {
        let mut rng = self.details.clone();
        let x = self.side * self.edge;
        let deep = x + self.side * 9.0;
        // The end wall that faces the camera, its corners clockwise.
        let end = |low: f32, high: f32| {
            let (a, b) = (x.min(deep), x.max(deep));
            [vec3(a, high, self.near), vec3(b, high, self.near), vec3(b, low, self.near), vec3(a, low, self.near)]
        };
        let long = |low: f32, high: f32, a: f32, b: f32| {
            [vec3(x, high, a), vec3(x, high, b), vec3(x, low, b), vec3(x, low, a)]
        };
        if self.near > stage.camera.position.z {
            stage.graded_panel(&end(0.0, self.height), self.wall * 0.95, self.wall * 0.75);
        }
        stage.graded_panel(&long(0.0, self.height, self.near, self.far), self.wall * 1.05, self.wall * 0.8);
        match self.roof {
            Some(colour) => self.draw_roof(stage, x, deep, colour),
            None => stage.panel(&long(self.height - 0.45, self.height, self.near, self.far), self.wall * 0.6),
        }
        let middle = vec3(x, 2.0, 0.5 * (self.near + self.far));
        if stage.camera.depth(middle) > 1.0 && stage.camera.scale_at(middle) < 4.0 {
            return;
        }
        self.draw_windows(stage, &mut rng, long);
        if self.shop {
            self.draw_shop(stage, &mut rng, x, long);
        }
    }

    fn draw_roof(&self, stage: &mut Stage<'_>, x: f32, deep: f32, colour: Vec3) {
        let (ridge, top) = (0.5 * (x + deep), self.height + 2.6);
        let eave = self.height - 0.1;
        if self.near > stage.camera.position.z {
            stage.panel(
                &[vec3(x, eave, self.near), vec3(ridge, top, self.near), vec3(deep, eave, self.near)],
                self.wall * 0.85,
            );
        }
        let out = x - self.side * 0.4;
        stage.panel(
            &[
                vec3(out, eave - 0.2, self.near - 0.3),
                vec3(ridge, top, self.near - 0.3),
                vec3(ridge, top, self.far),
                vec3(out, eave - 0.2, self.far),
            ],
            colour,
        );
    }

    fn draw_windows(&self, stage: &mut Stage<'_>, rng: &mut Rng, long: impl Fn(f32, f32, f32, f32) -> [Vec3; 4]) {
        let night = stage.light.is_dark();
        let sky = stage.light.sky_towards(Vec3::new(0.0, 0.6, 1.0));
        let frame = self.wall.lerp(Vec3::splat(0.8), 0.6);
        let curtain = rng.range(0.0, 0.4);
        let floors = (self.height / 3.1).floor() as usize;
        let columns = ((self.far - self.near) / self.bay).floor() as usize;
        for floor in usize::from(self.shop)..floors {
            let y = 3.1 * floor as f32 + 0.95;
            for column in 0..columns {
                let z = self.near + self.bay * (column as f32 + 0.5);
                // A window lights up by its own draw, near or far.
                let (lit, tone) = (rng.chance(0.28), rng.unit());
                if z < stage.camera.position.z + 1.0 {
                    continue;
                }
                stage.panel(&long(y - 0.08, y + 1.6, z - 0.62, z + 0.62), frame);
                let pane = long(y, y + 1.5, z - 0.52, z + 0.52);
                if night && lit {
                    stage.bright(&pane, rgb(255, 206, 130) * (0.25 + 0.4 * tone));
                } else if tone < curtain {
                    stage.panel(&pane, rgb(196, 188, 176));
                } else {
                    stage.bright(&pane, sky * (0.12 + 0.3 * tone));
                }
                stage.panel(&long(y, y + 1.5, z - 0.03, z + 0.03), frame * 0.8);
            }
        }
    }

    fn draw_shop(&self, stage: &mut Stage<'_>, rng: &mut Rng, x: f32, long: impl Fn(f32, f32, f32, f32) -> [Vec3; 4]) {
        let (a, b) = (self.near + 0.5, self.far - 0.5);
        let glass = long(0.5, 2.5, a, b);
        if stage.light.is_dark() && rng.chance(0.7) {
            stage.bright(&glass, rng.pick(&[rgb(255, 226, 170), rgb(226, 236, 255), rgb(255, 190, 150)]) * 0.7);
        } else {
            stage.graded_panel(&glass, rgb(96, 110, 122), rgb(44, 50, 54));
        }
        let posts = ((b - a) / 2.4) as usize;
        for k in 0..=posts {
            let z = a + (b - a) * k as f32 / posts.max(1) as f32;
            stage.panel(&long(0.0, 2.6, z - 0.08, z + 0.08), self.wall * 0.5);
        }
        let colour =
            rng.pick(&[rgb(170, 30, 40), rgb(28, 80, 130), rgb(30, 96, 66), rgb(40, 40, 44), rgb(220, 160, 50)]);
        let (text, font) = (rng.pick(&WORDS), rng.below(3));
        // Text runs from left to right whichever side of the street it is on.
        let (from, to) = if self.side < 0.0 { (a, a + 5.0) } else { (a + 5.0, a) };
        let at = x - self.side * 0.05;
        let place = [vec3(at, 3.3, from), vec3(at, 3.3, to), vec3(at, 2.6, to), vec3(at, 2.6, from)];
        if a > stage.camera.position.z + 1.0 && stage.shows(&place) {
            let mut sign = Bitmap::new(240, 36, colour);
            let (low, high) = (vec2(10.0, 7.0), vec2(230.0, 29.0));
            sign.write(&Line { text, font, low, high, ink: rgb(246, 242, 230), first_mark: None });
            stage.bitmap(&place, &sign);
        }
        if rng.chance(0.45) {
            let out = x - self.side * 1.2;
            stage.panel(&[vec3(x, 2.7, a), vec3(x, 2.7, b), vec3(out, 2.25, b), vec3(out, 2.25, a)], colour);
            stage
                .panel(&[vec3(out, 2.25, a), vec3(out, 2.25, b), vec3(out, 2.05, b), vec3(out, 2.05, a)], colour * 0.7);
        }
    }
}
