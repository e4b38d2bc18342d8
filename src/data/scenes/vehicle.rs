//! A vehicle: its kind and measures, where it stands, and its body.
//!
//! A body is two boxes, the lower one with wheels and the upper one with windows. The end that looks
//! at the camera is drawn in `face`; the far end is never seen and not there.

use glam::{Vec2, Vec3, vec2, vec3};

use super::{face, plate::PlateDesign, stage::Stage, text::rgb};
use crate::data::rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Hatchback,
    Sedan,
    Suv,
    Pickup,
    Van,
    Truck,
    Bus,
}

/// Measures in metres. Depths count from the end that is seen.
#[derive(Clone, Debug)]
pub struct Shape {
    pub width: f32,
    pub length: f32,
    pub clearance: f32,
    /// Where the windows begin.
    pub belt: f32,
    pub height: f32,
    /// Depth of the upper box's near and far end at the belt, and at the roof.
    pub cabin_at_belt: Vec2,
    pub cabin_at_roof: Vec2,
    /// Half the roof's width over half the width.
    pub taper: f32,
    pub wheel: f32,
}

#[derive(Clone, Debug)]
pub struct Vehicle {
    pub kind: Kind,
    /// Whether the camera sees its rear; otherwise its front.
    pub rear: bool,
    pub shape: Shape,
    pub paint: Vec3,
    /// The middle of the end that is seen, on the ground.
    pub position: Vec3,
    /// How far it is turned, in radians.
    pub yaw: f32,
    pub lights_on: bool,
    pub plate: PlateDesign,
    /// What the details are drawn by.
    pub details: Rng,
}

impl Vehicle {
    /// A vehicle of any kind, its seen end at `position`.
    pub fn random(rng: &mut Rng, position: Vec3, yaw: f32, rear: bool, plate: PlateDesign, dark: bool) -> Self {
        use Kind::{Bus, Hatchback, Pickup, Sedan, Suv, Truck, Van};
        let kind =
            rng.pick(&[Hatchback, Hatchback, Hatchback, Sedan, Sedan, Sedan, Suv, Suv, Pickup, Van, Van, Truck, Bus]);
        let shape = shape(rng, kind, rear);
        Vehicle {
            kind,
            rear,
            shape,
            paint: paint(rng),
            position,
            yaw,
            lights_on: dark || rng.chance(0.2),
            plate,
            details: rng.fork(0xde7a),
        }
    }

    /// From the vehicle's own metres (x across, y up, z into the vehicle from its seen end) to the world's.
    pub fn at(&self, x: f32, y: f32, z: f32) -> Vec3 {
        let (sin, cos) = self.yaw.sin_cos();
        self.position + vec3(x * cos + z * sin, y, z * cos - x * sin)
    }

    /// A quad parallel to the seen end, `depth` into the vehicle, clockwise from its top left.
    pub fn upright(&self, low: Vec2, high: Vec2, depth: f32) -> [Vec3; 4] {
        [
            self.at(low.x, high.y, depth),
            self.at(high.x, high.y, depth),
            self.at(high.x, low.y, depth),
            self.at(low.x, low.y, depth),
        ]
    }

    /// Paints it. Returns the corners of its plate on the canvas if the plate is in front of the camera.
    pub fn draw(&self, stage: &mut Stage<'_>) -> Option<[Vec2; 4]> {
        self.draw_shadow(stage);
        self.draw_underside(stage);
        self.draw_silhouette(stage);
        self.draw_sides(stage);
        self.draw_deck(stage);
        self.draw_cabin(stage, &mut self.details.fork(0xcab));
        face::draw(self, stage, &self.details)
    }

    fn draw_shadow(&self, stage: &mut Stage<'_>) {
        let Shape { width, length, height, .. } = self.shape;
        let half = 0.5 * width;
        let ground = [(-half, 0.0), (half, 0.0), (half, length), (-half, length)];
        let under = ground.map(|(x, z)| self.at(x * 1.06, 0.0, z - 0.05));
        let owner = std::mem::take(&mut stage.canvas.owner);
        if stage.light.sun.max_element() > 0.3 {
            let sun = stage.light.sun_direction;
            let cast = vec3(sun.x, 0.0, sun.z) * (-0.7 * height / sun.y.max(0.25));
            let both: Vec<Vec3> = under.iter().flat_map(|&p| [p, p + cast]).collect();
            stage.hull_shadow(&both, 0.12, 0.45);
        }
        stage.shadow(&under, 0.5, 0.3);
        stage.canvas.owner = owner;
    }

    /// The outlines of both boxes, so that nothing behind shows through the seams between their panels.
    fn draw_silhouette(&self, stage: &mut Stage<'_>) {
        let Shape { width, length, clearance, belt, height, taper, .. } = self.shape;
        let box_corners = |half: f32, y: f32, near: f32, far: f32| {
            [self.at(-half, y, near), self.at(half, y, near), self.at(half, y, far), self.at(-half, y, far)]
        };
        let shade = self.paint * 0.6;
        if height - belt > 0.05 {
            let (low, high) = (self.cabin_span(0.0), self.cabin_span(1.0));
            let foot = box_corners(0.485 * width, belt, low.x, low.y);
            let roof = box_corners(0.5 * width * taper, height, high.x, high.y);
            stage.outline(&[foot, roof].concat(), shade);
        }
        let half = 0.5 * width - 0.02;
        // A hand's breadth short of the seen end, whose corners are cut.
        let foot = box_corners(half, clearance + 0.06, 0.1, length);
        stage.outline(&[foot, box_corners(half, belt - 0.04, 0.1, length)].concat(), shade);
    }

    /// The near and the far depth of the upper box, from the belt (0) to the roof (1).
    fn cabin_span(&self, up: f32) -> Vec2 {
        self.shape.cabin_at_belt.lerp(self.shape.cabin_at_roof, up)
    }

    fn draw_underside(&self, stage: &mut Stage<'_>) {
        let Shape { width, clearance, wheel, .. } = self.shape;
        let dark = rgb(20, 20, 22);
        let half = 0.5 * width;
        stage.panel(
            &self.upright(vec2(-0.9 * half, clearance * 0.6), vec2(0.9 * half, clearance + 0.15), 0.25),
            dark * 0.5,
        );
        for side in [-1.0, 1.0] {
            let (a, b) = (side * (half - 0.04), side * (half - 0.26));
            let tyre = self.upright(vec2(a.min(b), 0.0), vec2(a.max(b), 2.0 * wheel), 0.45);
            stage.graded_panel(&tyre, dark, dark * 0.6);
        }
    }

    fn draw_sides(&self, stage: &mut Stage<'_>) {
        let Shape { width, length, clearance, belt, wheel, .. } = self.shape;
        for side in [-1.0, 1.0] {
            let x = 0.5 * width * side;
            let corner = |y, z| self.at(x, y, z);
            let (near, far) = (0.06, length);
            let mut panel =
                [corner(belt - 0.03, near), corner(belt, far), corner(clearance, far), corner(clearance, near)];
            if side < 0.0 {
                // Clockwise as seen from the left.
                panel = [panel[1], panel[0], panel[3], panel[2]];
            }
            if !stage.front_panel(&panel, self.paint * 1.1, self.paint * 0.62) {
                continue;
            }
            let strip = |low, high, a, b| [corner(high, a), corner(high, b), corner(low, b), corner(low, a)];
            stage.panel(&strip(clearance, clearance + 0.1, near, far), rgb(30, 30, 32));
            for z in [0.36 * length, 0.62 * length] {
                stage.panel(&strip(clearance + 0.1, belt - 0.04, z, z + 0.025), self.paint * 0.3);
                stage.panel(&strip(belt - 0.2, belt - 0.16, z - 0.26, z - 0.1), self.paint * 0.5 + 0.04);
            }
            for z in [0.19 * length, 0.81 * length] {
                let disc = |radius: f32, out: f32| -> Vec<Vec3> {
                    (0..20)
                        .map(|k| {
                            let (sin, cos) = (k as f32 * std::f32::consts::TAU / 20.0).sin_cos();
                            self.at(x + side * out, wheel + radius * sin, z + radius * cos)
                        })
                        .collect()
                };
                stage.panel(&disc(wheel * 1.18, 0.0), rgb(12, 12, 14));
                stage.panel(&disc(wheel, 0.01), rgb(34, 34, 36));
                stage.panel(&disc(wheel * 0.62, 0.02), rgb(168, 170, 174));
                stage.panel(&disc(wheel * 0.2, 0.03), rgb(60, 60, 64));
            }
        }
    }

    /// The boot lid, the bonnet or the bed.
    fn draw_deck(&self, stage: &mut Stage<'_>) {
        let Shape { width, belt, cabin_at_belt, .. } = self.shape;
        let half = 0.5 * width;
        let reach = cabin_at_belt.x + 0.05;
        let deck = [
            self.at(-0.9 * half, belt + 0.02, reach),
            self.at(0.9 * half, belt + 0.02, reach),
            self.at(half, belt - 0.05, 0.02),
            self.at(-half, belt - 0.05, 0.02),
        ];
        if self.kind == Kind::Pickup && self.rear {
            stage.front_panel(&deck, rgb(24, 24, 26), rgb(40, 40, 42));
        } else {
            stage.front_panel(&deck, self.paint * 1.15, self.paint);
        }
    }

    /// The upper box with its windows. Lorries seen from behind have none.
    fn draw_cabin(&self, stage: &mut Stage<'_>, details: &mut Rng) {
        let Shape { width, belt, height, cabin_at_roof: high, taper, .. } = self.shape;
        if height - belt < 0.05 {
            return;
        }
        let (wide, narrow) = (0.485 * width, 0.5 * width * taper);
        if self.kind == Kind::Truck && !self.rear {
            self.draw_load(stage);
        }
        let roof = [
            self.at(-narrow, height, high.y),
            self.at(narrow, height, high.y),
            self.at(narrow, height, high.x),
            self.at(-narrow, height, high.x),
        ];
        stage.front_panel(&roof, self.paint * 1.2, self.paint * 1.2);
        let glass = rgb(38, 46, 54);
        for side in [-1.0, 1.0] {
            // A place on the slanted side: how far up (0 the belt, 1 the roof) and how far back.
            let on_side = |up: f32, back: f32| {
                let span = self.cabin_span(up);
                let depth = span.x + (span.y - span.x) * back;
                self.at(side * (wide + (narrow - wide) * up), belt + (height - belt) * up, depth)
            };
            let mut panel = [on_side(1.0, 0.0), on_side(1.0, 1.0), on_side(0.0, 1.0), on_side(0.0, 0.0)];
            if side < 0.0 {
                panel = [panel[1], panel[0], panel[3], panel[2]];
            }
            if !stage.front_panel(&panel, self.paint * 0.95, self.paint * 0.85) {
                continue;
            }
            let closed = matches!(self.kind, Kind::Van | Kind::Truck);
            let panes: &[(f32, f32)] = match self.kind {
                _ if closed && self.rear => &[(0.8, 0.96)],
                _ if closed => &[(0.04, 0.22)],
                Kind::Bus => &[(0.02, 0.2), (0.22, 0.4), (0.42, 0.6), (0.62, 0.8)],
                _ => &[(0.05, 0.47), (0.52, 0.94)],
            };
            for &(a, b) in panes {
                let pane = [on_side(0.9, a), on_side(0.9, b), on_side(0.08, b), on_side(0.08, a)];
                stage.graded_panel(&pane, glass * 2.2, glass);
            }
        }
        face::draw_end_window(self, stage, details);
    }

    /// The box behind a lorry's cab.
    fn draw_load(&self, stage: &mut Stage<'_>) {
        let half = 0.5 * self.shape.width + 0.04;
        let (foot, top, near) = (1.0, self.shape.height + 0.55, 2.1);
        let white = rgb(214, 214, 210);
        for side in [-1.0, 1.0] {
            let mut panel = [
                self.at(side * half, top, near),
                self.at(side * half, top, self.shape.length),
                self.at(side * half, foot, self.shape.length),
                self.at(side * half, foot, near),
            ];
            if side < 0.0 {
                panel = [panel[1], panel[0], panel[3], panel[2]];
            }
            stage.front_panel(&panel, white, white * 0.8);
        }
        stage.graded_panel(&self.upright(vec2(-half, foot), vec2(half, top), near), white, white * 0.85);
    }
}

fn shape(rng: &mut Rng, kind: Kind, rear: bool) -> Shape {
    // Width, length, clearance, belt, height, near end of the cabin at the belt and at the roof (seen
    // from behind, then from the front), taper, wheel radius.
    let (w, l, c, belt, h, behind, before, taper, wheel) = match kind {
        Kind::Hatchback => (1.74, 4.0, 0.2, 0.92, 1.48, [0.03, 0.32], [0.85, 1.6], 0.74, 0.31),
        Kind::Sedan => (1.82, 4.6, 0.18, 0.92, 1.44, [0.6, 1.15], [1.1, 1.9], 0.7, 0.32),
        Kind::Suv => (1.9, 4.6, 0.25, 1.08, 1.72, [0.03, 0.25], [1.0, 1.55], 0.78, 0.36),
        Kind::Pickup => (1.92, 5.2, 0.28, 1.08, 1.78, [1.7, 1.85], [1.1, 1.7], 0.76, 0.37),
        Kind::Van => (2.0, 5.2, 0.22, 1.2, 2.3, [0.0, 0.05], [0.35, 0.95], 0.88, 0.34),
        Kind::Truck if rear => (2.4, 8.0, 0.55, 3.3, 3.3, [0.0, 0.0], [0.0, 0.0], 1.0, 0.46),
        Kind::Truck => (2.36, 8.0, 0.35, 1.75, 2.85, [0.0, 0.05], [0.02, 0.1], 0.94, 0.46),
        Kind::Bus => (2.5, 10.0, 0.3, 1.15, 3.0, [0.0, 0.03], [0.0, 0.06], 0.95, 0.46),
    };
    let stretch = rng.range(0.96, 1.04);
    let near = if rear { behind } else { before };
    let far = if rear { before } else { behind };
    let cab_end = if kind == Kind::Truck && !rear { 2.0 } else { l };
    Shape {
        width: w * rng.range(0.97, 1.03),
        length: l * stretch,
        clearance: c,
        belt: belt * stretch,
        height: h * stretch,
        cabin_at_belt: vec2(near[0], cab_end - far[0] * 0.9),
        cabin_at_roof: vec2(near[1], cab_end - far[1] * 0.9),
        taper,
        wheel,
    }
}

fn paint(rng: &mut Rng) -> Vec3 {
    let colour = rng.pick(&[
        rgb(232, 232, 228),
        rgb(232, 232, 228),
        rgb(178, 182, 186),
        rgb(116, 120, 126),
        rgb(66, 70, 76),
        rgb(34, 35, 38),
        rgb(34, 35, 38),
        rgb(170, 32, 34),
        rgb(200, 62, 30),
        rgb(34, 70, 150),
        rgb(70, 128, 188),
        rgb(34, 92, 66),
        rgb(122, 150, 110),
        rgb(222, 178, 52),
        rgb(176, 158, 126),
        rgb(94, 52, 44),
        rgb(150, 200, 196),
    ]);
    colour * rng.range(0.85, 1.1)
}
