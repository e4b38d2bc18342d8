//! Many small launches as few: what an op says may go together (`gpu::Gang`) and lies in common buffers becomes one dispatch with a
//! table of pieces. A training step's updates are such launches, one for each parameter before and a handful after.
//!
//! Only neighbours in the schedule go together, and only what works where it lies; everything else stays as it is.

use crate::Result;
use crate::gpu::{Command, Cost, Gang, Gpu, Launch, Region, Slot};

/// Words of a piece in the table: elements, number, two unused, first in each window.
const WORDS: usize = 8;

/// A command and the step it belongs to.
type Placed = (usize, Command);

/// `commands` with neighbours of a kind merged.
pub(super) fn merge(gpu: &Gpu, commands: Vec<Placed>) -> Result<Vec<Placed>> {
    let mut merged = Vec::with_capacity(commands.len());
    let mut waiting: Vec<Placed> = Vec::new();
    for command in commands {
        let goes_on = match (waiting.first().and_then(member), member(&command)) {
            (Some(first), Some(next)) => first.goes_with(&next),
            _ => false,
        };
        if !goes_on {
            flush(gpu, &mut waiting, &mut merged)?;
        }
        match member(&command) {
            Some(_) => waiting.push(command),
            None => merged.push(command),
        }
    }
    flush(gpu, &mut waiting, &mut merged)?;
    Ok(merged)
}

/// A launch that may go together with others.
struct Member<'a> {
    gang: &'a Gang,
    each: Vec<&'a Region>,
    shared: Vec<&'a Region>,
    cost: Cost,
}

impl Member<'_> {
    fn goes_with(&self, other: &Self) -> bool {
        let same = self.shared.iter().zip(&other.shared).all(|(a, b)| a.same_as(b));
        same && std::ptr::eq(self.gang.kernel, other.gang.kernel) && self.gang.params == other.gang.params
    }
}

/// What of a command takes part in gangs, if it does.
fn member((_, command): &Placed) -> Option<Member<'_>> {
    let Command::Launch { launch, regions, .. } = command else { return None };
    // A gang's kernels read f32.
    let gang = launch.gang.as_ref().filter(|_| launch.halves.is_empty())?;
    let of = |slot: &Slot| {
        let at = launch.slots.iter().position(|s| s == slot).expect("a gang's slots are its launch's");
        &regions[at]
    };
    let in_place = gang.in_place.iter().all(|(read, written)| of(read).same_as(of(written)));
    let whole = |slot: &Slot| of(slot).offset % 16 == 0;
    let fits = in_place && gang.each.iter().all(whole);
    fits.then(|| Member {
        gang,
        each: gang.each.iter().map(of).collect(),
        shared: gang.shared.iter().map(of).collect(),
        cost: launch.cost,
    })
}

/// Launches that run as one: their places in the list, and a window for each kind of tensor.
struct Together {
    members: Vec<usize>,
    windows: Vec<Region>,
}

/// Merges what waits and moves it to `merged`.
fn flush(gpu: &Gpu, waiting: &mut Vec<Placed>, merged: &mut Vec<Placed>) -> Result<()> {
    let mut all: Vec<Together> = Vec::new();
    for (i, placed) in waiting.iter().enumerate() {
        let member = member(placed).expect("only members wait");
        let alone: Vec<Region> = member.each.iter().map(|r| window(r, r)).collect();
        let fitting = all.iter_mut().find_map(|t| {
            let wider: Vec<Region> = t.windows.iter().zip(&alone).map(|(a, b)| window(a, b)).collect();
            let together = t.windows.iter().zip(&alone).all(|(a, b)| a.buffer.is(&b.buffer));
            (together && allowed(gpu, &member, &wider)).then_some((t, wider))
        });
        match fitting {
            Some((t, wider)) => {
                t.members.push(i);
                t.windows = wider;
            }
            None => all.push(Together { members: vec![i], windows: alone }),
        }
    }
    for together in all {
        merged.push(match together.members[..] {
            [one] => waiting[one].clone(),
            _ => command(gpu, waiting, &together)?,
        });
    }
    waiting.clear();
    Ok(())
}

/// The smallest window around two regions of a buffer, in whole steps of four elements.
fn window(a: &Region, b: &Region) -> Region {
    let offset = a.offset.min(b.offset);
    let end = (a.offset + a.size).max(b.offset + b.size).next_multiple_of(16);
    Region { buffer: a.buffer.clone(), offset, size: end - offset }
}

/// Whether windows may be bound: the device takes their size, and nothing that is written lies in another binding.
fn allowed(gpu: &Gpu, member: &Member<'_>, windows: &[Region]) -> bool {
    let fits = |w: &Region| w.size <= gpu.profile().max_binding && w.offset + w.size <= w.buffer.size();
    let meets =
        |a: &Region, b: &Region| a.buffer.is(&b.buffer) && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
    let gang = member.gang;
    let written = |slot: &Slot| gang.in_place.iter().any(|(read, written)| slot == read || slot == written);
    let bound: Vec<(bool, &Region)> = gang
        .each
        .iter()
        .zip(windows)
        .chain(gang.shared.iter().zip(member.shared.iter().copied()))
        .map(|(slot, region)| (written(slot), region))
        .collect();
    let apart = |(i, &(written, region)): (usize, &(bool, &Region))| {
        !written || bound.iter().enumerate().all(|(j, (_, other))| i == j || !meets(region, other))
    };
    windows.iter().all(fits) && bound.iter().enumerate().all(apart)
}

/// The one launch of several.
fn command(gpu: &Gpu, waiting: &[Placed], together: &Together) -> Result<Placed> {
    let members = together.members.iter().map(|&i| member(&waiting[i]).expect("only members wait"));
    let mut table: Vec<u32> = Vec::new();
    let mut cost = Cost::default();
    let mut shared = Vec::new();
    for Member { gang, each, shared: common, cost: own } in members {
        cost = Cost { flops: cost.flops + own.flops, bytes: cost.bytes + own.bytes };
        shared = common.into_iter().cloned().collect();
        for piece in 0..gang.elements.div_ceil(Gang::PIECE) {
            let before = piece * Gang::PIECE;
            let mut words = [0; WORDS];
            words[..2].copy_from_slice(&[Gang::PIECE.min(gang.elements - before), gang.number + piece]);
            for (word, (region, window)) in words[4..].iter_mut().zip(each.iter().zip(&together.windows)) {
                *word = ((region.offset - window.offset) / 16) as u32 + before / 4;
            }
            table.extend(words);
        }
    }
    let size = 4 * table.len() as u64;
    let region = Region { buffer: gpu.allocate("table of a gang", size)?, offset: 0, size };
    gpu.upload(&region, bytemuck::cast_slice(&table));
    let (at, Command::Launch { node, launch, .. }) = &waiting[together.members[0]] else {
        unreachable!("members launch")
    };
    let Gang { kernel, params, each, shared: slots, .. } = launch.gang.as_ref().expect("only members wait");
    let launch = Launch {
        kernel,
        overrides: Vec::new(),
        halves: Vec::new(),
        params: params.clone(),
        slots: each.iter().chain(slots).copied().chain([Slot::Scratch(0)]).collect(),
        groups: [(table.len() / WORDS) as u32, 1, 1],
        cost,
        gang: None,
    };
    let regions = together.windows.iter().cloned().chain(shared).chain([region]).collect();
    Ok((*at, Command::Launch { node: *node, launch, regions }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Buffer, Kernel, Needs};

    static KERNEL: Kernel = Kernel { label: "none", source: "", params: &[], variants: &[], needs: Needs::Nothing };

    #[test]
    fn nothing_written_lies_in_another_binding() {
        let Ok(gpu) = Gpu::open() else { panic!("this test needs an adapter: see docs/testing.md") };
        let (one, other) = (gpu.allocate("one", 4096).unwrap(), gpu.allocate("other", 4096).unwrap());
        let region = |buffer: &Buffer, offset, size| Region { buffer: buffer.clone(), offset, size };
        let (param, grad) = (Slot::Input(0), Slot::Input(1));
        let gang = Gang {
            kernel: &KERNEL,
            params: Vec::new(),
            each: vec![param, grad],
            shared: vec![Slot::Input(2)],
            in_place: vec![(param, Slot::Output(0))],
            elements: 4,
            number: 0,
        };
        let taken = |windows: [Region; 2], control: Region| {
            let member = Member { gang: &gang, each: Vec::new(), shared: vec![&control], cost: Cost::default() };
            allowed(&gpu, &member, &windows)
        };
        let control = || region(&other, 2048, 16);
        assert!(taken([region(&one, 0, 512), region(&other, 0, 512)], control()));
        assert!(taken([region(&one, 0, 512), region(&one, 512, 512)], control()), "side by side");
        assert!(!taken([region(&one, 0, 512), region(&one, 256, 512)], control()), "gradients among parameters");
        assert!(!taken([region(&other, 1024, 2048), region(&one, 0, 512)], control()), "parameters around the control");
        assert!(taken([region(&one, 0, 512), region(&other, 1024, 2048)], control()), "what is read may be read twice");
        assert!(!taken([region(&one, 0, 8192), region(&other, 0, 512)], control()), "beyond the buffer");
    }
}
