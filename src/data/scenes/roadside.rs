//! What stands beside the road: trees, posts, signs, people. Some of it bears digits and letters, none
//! of it a licence plate.

use glam::{Vec2, Vec3, vec2, vec3};

use super::{
    buildings::WORDS,
    stage::Stage,
    street::Setting,
    text::{Bitmap, Line, rgb},
};
use crate::data::rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PropKind {
    Tree,
    Conifer,
    Lamp,
    SpeedLimit,
    StreetSign,
    Billboard,
    TrafficLight,
    Person,
    Bollard,
    Bin,
    Cone,
}

/// One thing beside the road.
#[derive(Clone, Debug)]
pub struct Prop {
    kind: PropKind,
    pub at: Vec3,
    details: Rng,
}

/// Things on both sides, from far to near.
pub fn props(rng: &mut Rng, setting: Setting, road: f32, edge: f32) -> Vec<Prop> {
    use PropKind::{Billboard, Bin, Bollard, Cone, Conifer, Lamp, Person, SpeedLimit, StreetSign, TrafficLight, Tree};
    let kinds: &[PropKind] = match setting {
        Setting::City => &[Tree, Lamp, SpeedLimit, StreetSign, TrafficLight, Person, Person, Bollard, Bin, Cone],
        Setting::Suburb => &[Tree, Tree, Conifer, Lamp, SpeedLimit, StreetSign, Person, Bin],
        Setting::Country => &[Tree, Tree, Tree, Conifer, Conifer, SpeedLimit, Billboard, Bollard],
    };
    let mut out = Vec::new();
    for side in [-1.0, 1.0] {
        let mut z = rng.range(3.5, 9.0);
        while z < 85.0 {
            let kind = rng.pick(kinds);
            let x = match kind {
                Tree | Conifer if setting == Setting::City => edge - 0.7,
                Tree | Conifer => edge + rng.range(1.0, 6.0),
                Billboard => edge + 3.0,
                Person => rng.range(road + 0.4, edge.max(road + 0.8)),
                _ => road + 0.45,
            };
            out.push(Prop { kind, at: vec3(side * x, 0.0, z), details: rng.fork(1000 + out.len() as u64) });
            z += rng.range(2.0, 11.0);
        }
    }
    out.sort_by(|a, b| b.at.z.total_cmp(&a.at.z));
    out
}

impl Prop {
    pub fn draw(&self, stage: &mut Stage<'_>) {
        let mut rng = self.details.clone();
        let rng = &mut rng;
        match self.kind {
            PropKind::Tree => self.draw_tree(stage, rng),
            PropKind::Conifer => self.draw_conifer(stage, rng),
            PropKind::Lamp => self.draw_lamp(stage),
            PropKind::SpeedLimit => self.draw_speed_limit(stage, rng),
            PropKind::StreetSign => self.draw_board(stage, rng, vec2(1.2, 0.32), 2.2),
            PropKind::Billboard => self.draw_board(stage, rng, vec2(4.0, 1.8), 1.4),
            PropKind::TrafficLight => self.draw_traffic_light(stage, rng),
            PropKind::Person => self.draw_person(stage, rng),
            PropKind::Bollard => self.post(stage, 0.08, 0.0, 0.95, rgb(90, 90, 96)),
            PropKind::Bin => {
                self.post(stage, 0.3, 0.05, 1.0, rng.pick(&[rgb(50, 84, 60), rgb(60, 62, 70), rgb(36, 66, 110)]))
            }
            PropKind::Cone => self.draw_cone(stage),
        }
    }

    /// An upright strip that faces the camera.
    fn post(&self, stage: &mut Stage<'_>, half: f32, low: f32, high: f32, colour: Vec3) {
        let at = self.at;
        let corners = [
            at + vec3(-half, high, 0.0),
            at + vec3(half, high, 0.0),
            at + vec3(half, low, 0.0),
            at + vec3(-half, low, 0.0),
        ];
        stage.graded_panel(&corners, colour, colour * 0.8);
    }

    /// A flat board on the post's front, clockwise from its top left.
    fn board(&self, size: Vec2, middle: f32) -> [Vec3; 4] {
        let at = self.at + vec3(0.0, middle, -0.05);
        let (x, y) = (0.5 * size.x, 0.5 * size.y);
        [at + vec3(-x, y, 0.0), at + vec3(x, y, 0.0), at + vec3(x, -y, 0.0), at + vec3(-x, -y, 0.0)]
    }

    fn draw_tree(&self, stage: &mut Stage<'_>, rng: &mut Rng) {
        let tall = rng.range(3.2, 5.5);
        self.post(stage, 0.14, 0.0, tall, rgb(92, 72, 54));
        let green = rng.pick(&[rgb(84, 122, 52), rgb(112, 138, 60), rgb(62, 100, 54), rgb(176, 128, 48)]);
        let mut crown: Vec<(Vec3, f32)> = (0..16)
            .map(|_| {
                let spread = vec3(rng.normal(), rng.normal() * 0.75, rng.normal() * 0.6) * 0.75;
                (self.at + vec3(0.0, tall + 0.5, 0.0) + spread, rng.range(0.45, 0.95))
            })
            .collect();
        crown.sort_by(|a, b| (a.0.y).total_cmp(&b.0.y));
        for (k, (at, radius)) in crown.into_iter().enumerate() {
            stage.ball(at, Vec2::splat(radius), green * (0.5 + 0.04 * k as f32) * rng.range(0.85, 1.15));
        }
    }

    fn draw_conifer(&self, stage: &mut Stage<'_>, rng: &mut Rng) {
        let tall = rng.range(4.0, 8.0);
        let green = rgb(46, 82, 56) * rng.range(0.8, 1.3);
        self.post(stage, 0.12, 0.0, 1.0, rgb(84, 64, 48));
        for k in 0..5 {
            let low = 0.8 + (tall - 0.8) * 0.18 * k as f32;
            let half = (tall - low) * 0.24;
            let at = self.at;
            stage.graded_panel(
                &[at + vec3(0.0, low + 0.36 * tall, 0.0), at + vec3(half, low, 0.0), at + vec3(-half, low, 0.0)],
                green * 1.25,
                green * 0.8,
            );
        }
    }

    fn draw_lamp(&self, stage: &mut Stage<'_>) {
        self.post(stage, 0.06, 0.0, 5.3, rgb(84, 88, 92));
        let inward = -self.at.x.signum();
        let top = self.at + vec3(0.0, 5.3, 0.0);
        let end = top + vec3(1.1 * inward, 0.1, 0.0);
        stage.panel(&[top, end, end - Vec3::Y * 0.1, top - Vec3::Y * 0.12], rgb(84, 88, 92));
        if stage.light.is_dark() {
            stage.lamp(end - Vec3::Y * 0.1, 0.14, stage.light.lamp, 7.0);
        }
    }

    fn draw_speed_limit(&self, stage: &mut Stage<'_>, rng: &mut Rng) {
        self.post(stage, 0.035, 0.0, 2.3, rgb(150, 152, 154));
        let place = self.board(Vec2::splat(0.62), 2.3);
        if !stage.shows(&place) {
            return;
        }
        let mut sign = Bitmap::new(96, 96, rgb(190, 24, 30));
        sign.cover(|p| p.distance(Vec2::splat(48.0)) < 36.0, rgb(244, 244, 240));
        let text = rng.pick(&["30", "50", "70", "20", "90"]);
        let (low, high) = (vec2(18.0, 33.0), vec2(78.0, 63.0));
        sign.write(&Line { text, font: 0, low, high, ink: rgb(16, 16, 18), first_mark: None });
        sign.round_corners(48.0);
        stage.bitmap(&place, &sign);
    }

    fn draw_board(&self, stage: &mut Stage<'_>, rng: &mut Rng, size: Vec2, low: f32) {
        self.post(stage, 0.04, 0.0, low + 0.1, rgb(120, 122, 126));
        let place = self.board(size, low + 0.5 * size.y);
        if !stage.shows(&place) {
            return;
        }
        let (ground, ink) = rng.pick(&[
            (rgb(28, 70, 150), rgb(244, 244, 244)),
            (rgb(240, 240, 236), rgb(20, 20, 24)),
            (rgb(24, 106, 70), rgb(244, 244, 244)),
            (rgb(240, 190, 40), rgb(20, 20, 24)),
        ]);
        let texels = vec2(240.0, (240.0 * size.y / size.x).round());
        let mut sign = Bitmap::new(texels.x as usize, texels.y as usize, ground);
        let (low_corner, high) = (texels * vec2(0.08, 0.26), texels * vec2(0.92, 0.74));
        sign.write(&Line { text: rng.pick(&WORDS), font: rng.below(3), low: low_corner, high, ink, first_mark: None });
        sign.round_corners(5.0);
        stage.bitmap(&place, &sign);
    }

    fn draw_traffic_light(&self, stage: &mut Stage<'_>, rng: &mut Rng) {
        self.post(stage, 0.05, 0.0, 3.2, rgb(70, 72, 74));
        stage.panel(&self.board(vec2(0.32, 0.95), 2.8), rgb(22, 22, 24));
        let on = rng.below(3);
        for (k, colour) in [vec3(0.9, 0.05, 0.03), vec3(0.9, 0.5, 0.03), vec3(0.05, 0.8, 0.3)].into_iter().enumerate() {
            let at = self.at + vec3(0.0, 3.1 - 0.3 * k as f32, -0.06);
            if k == on {
                stage.lamp(at, 0.11, colour * 1.4, if stage.light.is_dark() { 4.0 } else { 0.0 });
            } else {
                stage.ball(at, Vec2::splat(0.11), colour * 0.12);
            }
        }
    }

    fn draw_person(&self, stage: &mut Stage<'_>, rng: &mut Rng) {
        let tall = rng.range(1.5, 1.85);
        let coat = rng.pick(&[
            rgb(150, 40, 44),
            rgb(40, 60, 96),
            rgb(60, 60, 62),
            rgb(190, 170, 130),
            rgb(70, 110, 80),
            rgb(210, 120, 50),
        ]);
        let trousers = rng.pick(&[rgb(40, 44, 60), rgb(30, 30, 32), rgb(96, 86, 74)]);
        let hip = 0.48 * tall;
        let stride = rng.range(0.06, 0.2);
        let at = |x: f32, y: f32| self.at + vec3(x, y, 0.0);
        for side in [-1.0, 1.0] {
            stage.panel(
                &[at(-0.09, hip), at(0.09, hip), at(side * stride + 0.06, 0.0), at(side * stride - 0.06, 0.0)],
                trousers,
            );
        }
        let shoulder = 0.84 * tall;
        stage.graded_panel(
            &[
                at(-0.15, shoulder),
                at(0.15, shoulder),
                at(0.22, shoulder - 0.12),
                at(0.19, hip - 0.06),
                at(-0.19, hip - 0.06),
                at(-0.22, shoulder - 0.12),
            ],
            coat * 1.1,
            coat * 0.8,
        );
        let skin = rng.pick(&[rgb(224, 178, 148), rgb(150, 104, 78), rgb(96, 66, 50)]);
        stage.ball(at(0.0, 0.93 * tall), vec2(0.095, 0.12), skin);
        stage.ball(
            at(0.0, 0.965 * tall),
            vec2(0.1, 0.075),
            rng.pick(&[rgb(40, 30, 24), rgb(96, 70, 40), rgb(150, 146, 140)]),
        );
    }

    fn draw_cone(&self, stage: &mut Stage<'_>) {
        let at = |x: f32, y: f32| self.at + vec3(x, y, 0.0);
        let orange = rgb(236, 96, 30);
        stage.panel(&[at(-0.04, 0.7), at(0.04, 0.7), at(0.17, 0.04), at(-0.17, 0.04)], orange);
        stage.panel(&[at(-0.085, 0.45), at(0.085, 0.45), at(0.115, 0.3), at(-0.115, 0.3)], rgb(236, 236, 232));
        stage.panel(&[at(-0.24, 0.04), at(0.24, 0.04), at(0.24, 0.0), at(-0.24, 0.0)], orange * 0.7);
    }
}
