//! The end of a vehicle that looks at the camera: lights, grille or boot lid, bumper, and the plate.
//!
//! Positions are in the vehicle's own metres; widths are in halves of its width, so that one
//! description serves a small car and a lorry.

use glam::{Vec2, Vec3, vec2, vec3};

use super::{
    stage::Stage,
    text::{Bitmap, Line, rgb},
    vehicle::{Kind, Vehicle},
};
use crate::data::rng::Rng;

const TRIM: Vec3 = Vec3::new(0.012, 0.012, 0.014);

/// Paints the lower end with everything on it. Returns the plate's corners on the canvas.
pub fn draw(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &Rng) -> Option<[Vec2; 4]> {
    // A stream for each part: what one part leaves out where it is not seen must not move the others.
    draw_body(vehicle, stage);
    if vehicle.kind == Kind::Truck && vehicle.rear {
        draw_doors(vehicle, stage, &mut rng.fork(1));
    } else {
        draw_bumper(vehicle, stage, &mut rng.fork(1));
    }
    if vehicle.rear {
        draw_tail_lights(vehicle, stage, &mut rng.fork(2));
    } else {
        draw_front(vehicle, stage, &mut rng.fork(2));
    }
    draw_lettering(vehicle, stage, &mut rng.fork(3));
    let corners = plate_corners(vehicle, &mut rng.fork(4));
    draw_mounting(vehicle, stage, &mut rng.fork(5), &corners);
    let quad = draw_plate(vehicle, stage, &corners)?;
    draw_in_front_of_plate(vehicle, stage, &mut rng.fork(6), &corners);
    draw_shadow_band(stage, &mut rng.fork(7), &quad);
    Some(quad)
}

/// A rectangle on the face: x in halves of the width, y in metres.
fn rect(vehicle: &Vehicle, x: [f32; 2], y: [f32; 2]) -> [Vec3; 4] {
    let half = 0.5 * vehicle.shape.width;
    vehicle.upright(vec2(x[0] * half, y[0]), vec2(x[1] * half, y[1]), -0.01)
}

/// The same on the left and on the right.
fn both(x: [f32; 2]) -> [[f32; 2]; 2] {
    [[-x[1], -x[0]], x]
}

/// Between the clearance (0) and the belt (1), in metres.
fn level(vehicle: &Vehicle, part: f32) -> f32 {
    vehicle.shape.clearance + (vehicle.shape.belt - vehicle.shape.clearance) * part
}

fn draw_body(vehicle: &Vehicle, stage: &mut Stage<'_>) {
    let half = 0.5 * vehicle.shape.width;
    let (foot, top) = (vehicle.shape.clearance, vehicle.shape.belt);
    let bevel = if matches!(vehicle.kind, Kind::Truck | Kind::Bus) { 0.03 } else { 0.09 };
    let outline = [
        (-half + bevel, top),
        (half - bevel, top),
        (half, top - 1.4 * bevel),
        (half, foot + bevel),
        (half - bevel, foot),
        (-half + bevel, foot),
        (-half, foot + bevel),
        (-half, top - 1.4 * bevel),
    ];
    let corners = outline.map(|(x, y)| vehicle.at(x, y, 0.0));
    stage.graded_panel(&corners, vehicle.paint * 1.12, vehicle.paint * 0.7);
}

fn draw_bumper(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &mut Rng) {
    let dark = rng.chance(0.4);
    let colour = if dark { rgb(46, 46, 50) } else { vehicle.paint * 0.92 };
    let y = |part| level(vehicle, part);
    stage.graded_panel(&rect(vehicle, [-1.01, 1.01], [y(0.08), y(0.36)]), colour * 1.15, colour * 0.75);
    stage.panel(&rect(vehicle, [-1.0, 1.0], [y(0.36), y(0.38)]), vehicle.paint * 0.3);
    stage.panel(&rect(vehicle, [-0.92, 0.92], [y(0.0), y(0.1)]), rgb(26, 26, 28));
    if vehicle.rear {
        for x in both([0.62, 0.84]) {
            stage.panel(&rect(vehicle, x, [y(0.16), y(0.2)]), rgb(150, 20, 22));
        }
        let edge = y(0.62);
        stage.panel(&rect(vehicle, [-0.72, 0.72], [edge, edge + 0.012]), vehicle.paint * 0.35);
        if rng.chance(0.5) {
            let pipe = vehicle.at(0.5 * vehicle.shape.width * 0.6, y(0.03), -0.03);
            stage.ball(pipe, Vec2::splat(0.04), rgb(120, 120, 124));
            stage.ball(pipe, Vec2::splat(0.028), rgb(10, 10, 10));
        }
    }
}

/// The doors of a lorry's box, and the bar beneath.
fn draw_doors(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &mut Rng) {
    let tall = vehicle.shape.height;
    let colour = rng.pick(&[rgb(222, 222, 218), rgb(222, 222, 218), rgb(188, 60, 40), rgb(40, 88, 150)]);
    stage.graded_panel(&rect(vehicle, [-0.97, 0.97], [1.05, tall - 0.06]), colour * 1.05, colour * 0.85);
    stage.panel(&rect(vehicle, [-0.012, 0.012], [1.05, tall - 0.06]), TRIM);
    for x in [-0.55, -0.12, 0.12, 0.55] {
        stage.panel(&rect(vehicle, [x - 0.012, x + 0.012], [1.08, tall - 0.1]), colour * 0.55);
    }
    stage.panel(&rect(vehicle, [-1.0, 1.0], [vehicle.shape.clearance, 1.05]), rgb(34, 34, 38));
    stage.panel(&rect(vehicle, [-0.96, 0.96], [0.58, 0.7]), rgb(130, 130, 132));
    for (k, x) in [-0.9f32, -0.54, -0.18, 0.18, 0.54].into_iter().enumerate() {
        let stripe = if k % 2 == 0 { rgb(196, 30, 30) } else { rgb(230, 226, 214) };
        stage.panel(&rect(vehicle, [x, x + 0.36], [0.6, 0.68]), stripe);
    }
}

fn draw_tail_lights(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &mut Rng) {
    let braking = rng.chance(0.3);
    let y = |part| level(vehicle, part);
    let (x, span) = match vehicle.kind {
        Kind::Truck => ([0.7, 0.94], [0.82, 0.94]),
        Kind::Van | Kind::Bus => ([0.86, 0.98], [y(0.55), y(0.98)]),
        _ => match rng.below(3) {
            0 => ([0.6, 0.97], [y(0.7), y(0.9)]),
            1 => ([0.8, 0.97], [y(0.5), y(0.95)]),
            _ => ([0.52, 0.97], [y(0.76), y(0.86)]),
        },
    };
    let strength = if braking {
        3.0
    } else if vehicle.lights_on {
        1.2
    } else {
        0.0
    };
    for side in both(x) {
        stage.graded_panel(&rect(vehicle, side, span), rgb(176, 22, 24), rgb(112, 12, 16));
        let middle = 0.5 * (side[0] + side[1]);
        stage
            .panel(&rect(vehicle, [middle - 0.05, middle + 0.05], [span[0] + 0.02, span[0] + 0.06]), rgb(226, 150, 60));
        if strength > 0.0 {
            let at = vehicle.at(0.5 * vehicle.shape.width * middle, 0.5 * (span[0] + span[1]), -0.02);
            let dark = if stage.light.is_dark() { 1.0 } else { 0.5 };
            stage.bright(&rect(vehicle, side, span), vec3(0.75, 0.03, 0.02) * strength * dark);
            if let Some(centre) = stage.camera.project(at) {
                let radius = stage.camera.scale_at(at) * 0.45;
                stage.canvas.glow(centre, radius, vec3(0.12, 0.006, 0.005) * strength * (1.2 - dark));
            }
        }
    }
}

fn draw_front(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &mut Rng) {
    let y = |part| level(vehicle, part);
    let chrome = rgb(190, 192, 196);
    match rng.below(3) {
        0 => {
            stage.panel(&rect(vehicle, [-0.5, 0.5], [y(0.56), y(0.82)]), TRIM);
            for k in 0..3 {
                let at = y(0.6 + 0.075 * k as f32);
                stage.panel(&rect(vehicle, [-0.48, 0.48], [at, at + 0.018]), chrome * 0.6);
            }
        }
        1 => {
            stage.panel(&rect(vehicle, [-0.58, 0.58], [y(0.7), y(0.8)]), TRIM);
            stage.panel(&rect(vehicle, [-0.58, 0.58], [y(0.8), y(0.82)]), chrome);
        }
        _ => {
            for x in both([0.03, 0.36]) {
                stage.panel(&rect(vehicle, x, [y(0.58), y(0.84)]), chrome);
                stage.panel(&rect(vehicle, [x[0] + 0.02, x[1] - 0.02], [y(0.6), y(0.82)]), TRIM);
            }
        }
    }
    stage.ball(vehicle.at(0.0, y(0.76), -0.02), vec2(0.06, 0.05), chrome);
    stage.panel(&rect(vehicle, [-0.62, 0.62], [y(0.1), y(0.2)]), TRIM);
    let round = rng.chance(0.25);
    let span = [y(0.62), y(0.84)];
    for x in both([0.6, 0.96]) {
        let middle = vehicle.at(0.5 * vehicle.shape.width * 0.5 * (x[0] + x[1]), 0.5 * (span[0] + span[1]), -0.02);
        if round {
            stage.ball(middle, Vec2::splat(0.13), chrome * 0.6);
            stage.ball(middle, Vec2::splat(0.11), rgb(236, 238, 240));
        } else {
            stage.panel(&rect(vehicle, x, span), chrome * 0.35);
            let inner = [x[0] + 0.03, x[1] - 0.03];
            stage.graded_panel(
                &rect(vehicle, inner, [span[0] + 0.02, span[1] - 0.02]),
                rgb(240, 242, 246),
                rgb(150, 156, 166),
            );
        }
        stage.ball(
            vehicle.at(0.5 * vehicle.shape.width * x[0].signum() * 0.78, y(0.22), -0.02),
            Vec2::splat(0.05),
            rgb(200, 204, 210),
        );
        if vehicle.lights_on {
            let (core, halo) = if stage.light.is_dark() { (4.0, 3.2) } else { (1.5, 1.6) };
            stage.lamp(middle, 0.075, vec3(1.0, 0.97, 0.88) * core, halo);
        }
    }
}

/// The window at the end of the upper box.
pub fn draw_end_window(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &mut Rng) {
    let shape = &vehicle.shape;
    let (wide, narrow) = (0.485 * shape.width, 0.5 * shape.width * shape.taper);
    let place = |x: f32, up: f32| {
        let depth = shape.cabin_at_belt.x + (shape.cabin_at_roof.x - shape.cabin_at_belt.x) * up - 0.005;
        vehicle.at(x * (wide + (narrow - wide) * up), shape.belt + (shape.height - shape.belt) * up, depth)
    };
    let quad =
        |x: [f32; 2], up: [f32; 2]| [place(x[0], up[1]), place(x[1], up[1]), place(x[1], up[0]), place(x[0], up[0])];
    stage.graded_panel(&quad([-1.0, 1.0], [0.0, 1.0]), vehicle.paint, vehicle.paint * 0.9);
    let (dark, bright) = (rgb(26, 32, 38), rgb(126, 144, 160));
    let closed = vehicle.rear && vehicle.kind == Kind::Van;
    let panes: &[[f32; 2]] = if closed { &[[-0.84, -0.06], [0.06, 0.84]] } else { &[[-0.88, 0.88]] };
    for &x in panes {
        let low = if closed { 0.4 } else { 0.06 };
        stage.graded_panel(&quad(x, [low, 0.9]), bright * rng.range(0.5, 1.0), dark);
    }
    if !vehicle.rear {
        for x in [-0.42, 0.42] {
            if rng.chance(0.6) {
                let skin = rgb(120, 88, 70);
                stage.ball(place(x, 0.42), vec2(0.1, 0.13), skin * 0.22);
            }
        }
        stage.panel(&quad([-0.7, -0.05], [0.07, 0.09]), TRIM);
        for side in [-1.0, 1.0] {
            let at = vehicle.at(side * (wide + 0.12), shape.belt + 0.09, shape.cabin_at_belt.x + 0.1);
            stage.ball(at, vec2(0.11, 0.08), vehicle.paint * 0.8);
        }
    } else if !closed {
        if rng.chance(0.5) {
            stage.panel(&quad([-0.12, 0.12], [0.82, 0.87]), rgb(150, 20, 22));
        }
        if rng.chance(0.4) {
            stage.panel(&quad([0.0, 0.5], [0.08, 0.11]), TRIM);
        }
    }
    if vehicle.kind == Kind::Bus {
        draw_route(vehicle, stage, rng);
    }
}

/// The route over a bus's windscreen: digits that are no plate.
fn draw_route(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &mut Rng) {
    let y = vehicle.shape.height;
    let place = rect(vehicle, [-0.7, 0.7], [y - 0.36, y - 0.08]);
    if !stage.shows(&place) {
        return;
    }
    let route = format!("{} CENTRAL", rng.below(98) + 1);
    let mut sign = Bitmap::new(260, 40, rgb(16, 16, 14));
    let (low, high) = (vec2(8.0, 8.0), vec2(252.0, 32.0));
    sign.write(&Line { text: &route, font: 3, low, high, ink: rgb(255, 176, 40) * 1.6, first_mark: None });
    stage.bitmap(&place, &sign);
}

/// A firm's name or a badge on the body: characters that are no plate.
fn draw_lettering(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &mut Rng) {
    let ink = if vehicle.paint.element_sum() > 0.9 { rgb(30, 60, 120) } else { rgb(236, 232, 220) };
    let firms = ["FRESH 24", "MOVE IT", "PIPE 4 U", "BAKERY", "TEL 555 0192", "FLORIST", "NORD 77"];
    let badges = ["GT 2.0", "TDI", "LX 350", "RS 6", "HYBRID", "1.6 I", "X5 D"];
    let (text, x, y) = match vehicle.kind {
        Kind::Truck if vehicle.rear => (rng.pick(&firms), [-0.8, 0.8], [2.2, 2.65]),
        Kind::Van if vehicle.rear => {
            (rng.pick(&firms), [-0.7, 0.7], [level(vehicle, 0.92), level(vehicle, 0.92) + 0.2])
        }
        _ if vehicle.rear => (rng.pick(&badges), [0.2, 0.58], [level(vehicle, 0.9), level(vehicle, 0.9) + 0.05]),
        _ => return,
    };
    let place = rect(vehicle, x, y);
    if !stage.shows(&place) {
        return;
    }
    let ink = if vehicle.kind == Kind::Truck { rgb(40, 44, 60) } else { ink };
    let half = 0.5 * vehicle.shape.width;
    let size = vec2((x[1] - x[0]) * half, y[1] - y[0]) * (40.0 / (y[1] - y[0]));
    let mut sign = Bitmap::new(size.x as usize, size.y as usize, Vec3::ZERO);
    sign.write(&Line {
        text,
        font: rng.below(3),
        low: vec2(2.0, 5.0),
        high: size - vec2(2.0, 5.0),
        ink,
        first_mark: Some(1),
    });
    sign.keep_ink_only();
    stage.bitmap(&place, &sign);
}

/// Where the plate hangs, in the world: clockwise from its top left, a little askew.
fn plate_corners(vehicle: &Vehicle, rng: &mut Rng) -> [Vec3; 4] {
    let size = vehicle.plate.size;
    let y = if vehicle.kind == Kind::Truck && vehicle.rear {
        0.88
    } else if !vehicle.rear {
        level(vehicle, rng.pick(&[0.28, 0.36, 0.46]))
    } else {
        level(vehicle, rng.pick(&[0.25, 0.62, 0.66]))
    };
    let x = if rng.chance(0.85) { 0.0 } else { rng.range(-0.3, 0.3) };
    let (sin, cos) = (rng.normal() * 0.015).sin_cos();
    let lean = rng.range(-0.02, 0.06) / size.y;
    [vec2(-0.5, 0.5), vec2(0.5, 0.5), vec2(0.5, -0.5), vec2(-0.5, -0.5)].map(|corner| {
        let p = corner * size;
        let turned = vec2(p.x * cos - p.y * sin, p.x * sin + p.y * cos);
        vehicle.at(x + turned.x, y + turned.y, -0.03 + lean * corner.y * size.y)
    })
}

/// What holds the plate: a recess, a frame with the dealer's name, or nothing.
fn draw_mounting(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &mut Rng, corners: &[Vec3; 4]) {
    let middle = 0.25 * corners.iter().sum::<Vec3>();
    let grown = |across: f32, up: f32| -> [Vec3; 4] {
        let (right, top) = (0.5 * (corners[1] - corners[0]), 0.5 * (corners[0] - corners[3]));
        let (right, top) = (right + right.normalize() * across, top + top.normalize() * up);
        [middle - right + top, middle + right + top, middle + right - top, middle - right - top]
    };
    match rng.below(3) {
        0 => stage.graded_panel(&grown(0.08, 0.05), vehicle.paint * 0.35, vehicle.paint * 0.5),
        1 => {
            let frame = grown(0.012, 0.02);
            stage.panel(&frame, rgb(24, 24, 26));
            let place = [corners[3], corners[2], frame[2], frame[3]];
            if !stage.shows(&place) {
                return;
            }
            let names = ["AUTOHAUS 24", "CITY CARS", "MOTORS 365", "GARAGE SUD"];
            let mut strip = Bitmap::new(400, 14, rgb(24, 24, 26));
            let ink = rgb(200, 200, 204);
            let (low, high) = (vec2(100.0, 3.0), vec2(300.0, 11.0));
            strip.write(&Line { text: rng.pick(&names), font: 1, low, high, ink, first_mark: None });
            stage.bitmap(&place, &strip);
        }
        _ => stage.shadow(&grown(0.01, 0.02), 0.04, 0.6),
    }
}

fn draw_plate(vehicle: &Vehicle, stage: &mut Stage<'_>, corners: &[Vec3; 4]) -> Option<[Vec2; 4]> {
    let quad = stage.quad(corners)?;
    let (middle, normal) = stage.facing(corners)?;
    let mut light = stage.light.falling_on(middle, normal, stage.camera.position);
    if stage.light.is_dark() {
        // Plates throw light back to where it came from; rear ones have a lamp of their own.
        let distance = middle.distance(stage.camera.position);
        light += Vec3::splat(stage.light.headlight * 1.2 / (12.0 + distance * distance));
        if vehicle.rear && vehicle.lights_on {
            light += vec3(0.3, 0.28, 0.24);
        }
    }
    let kept = (-stage.camera.depth(middle).max(0.0) / stage.light.haze_distance).exp();
    let lamp = if vehicle.rear && stage.light.is_dark() { 0.35 } else { 0.08 };
    let id = stage.canvas.owner;
    stage.canvas.bitmap(&quad, vehicle.plate.bitmap(), Some(id), |at| light * kept * (1.0 + lamp * (0.5 - at.y)));
    Some(quad)
}

/// Now and then something hides a little of the plate: a tow ball or a bar.
fn draw_in_front_of_plate(vehicle: &Vehicle, stage: &mut Stage<'_>, rng: &mut Rng, corners: &[Vec3; 4]) {
    let foot = 0.5 * (corners[2] + corners[3]);
    let up = corners[0] - corners[3];
    if vehicle.rear && rng.chance(0.08) {
        let ball = foot + up * rng.range(-0.1, 0.15);
        stage.panel(
            &[
                ball + vec3(-0.02, 0.0, -0.1),
                ball + vec3(0.02, 0.0, -0.1),
                ball + vec3(0.03, -0.2, -0.1),
                ball + vec3(-0.03, -0.2, -0.1),
            ],
            rgb(40, 40, 42),
        );
        stage.ball(ball + vec3(0.0, 0.01, -0.1), Vec2::splat(0.035), rgb(150, 150, 154));
    } else if !vehicle.rear && rng.chance(0.05) {
        let bar =
            |part: f32| [corners[0] + (corners[3] - corners[0]) * part, corners[1] + (corners[2] - corners[1]) * part];
        let ([a, b], [d, c]) = (bar(0.02), bar(0.14));
        stage.panel(&[a, b, c, d], rgb(120, 122, 126));
    }
}

/// The shadow of something out of the picture falls across the vehicle.
fn draw_shadow_band(stage: &mut Stage<'_>, rng: &mut Rng, plate: &[Vec2; 4]) {
    if stage.light.sun.max_element() < 0.3 || !rng.chance(0.35) {
        return;
    }
    let wide = plate[0].distance(plate[1]);
    let middle = 0.25 * plate.iter().sum::<Vec2>() + vec2(rng.range(-0.4, 0.4), 0.0) * wide;
    let along = Vec2::from_angle(rng.range(0.6, 2.5)) * wide * 8.0;
    let across = along.perp().normalize() * wide * rng.range(0.15, 1.2);
    let band = [middle - along, middle + along, middle + along + across, middle - along + across];
    let owner = stage.canvas.owner;
    stage.canvas.shadow(&band, wide * rng.range(0.02, 0.1), rng.range(0.35, 0.65), Some(owner));
}
