//! The same network for another number of classes: the text of a cfg with other heads and other layers before them, all else as it was.

use super::cfg::{Cfg, Section};
use super::head::features;
use super::layer::{Kind, Layer};
use crate::detection::Head;
use crate::{Error, Result};

/// The cfg's text for `classes`. Fails if a head does not follow a `[convolutional]` or `[connected]` section.
pub fn text_for(cfg: &Cfg, layers: &[Layer], classes: usize) -> Result<String> {
    let mut lines: Vec<String> = cfg.text.lines().map(str::to_string).collect();
    for layer in layers {
        let Kind::Head(head) = &layer.kind else { continue };
        // Section 0 is [net]: the layer before this one is section `index`.
        let (before, own) = (&cfg.sections[layer.index], &cfg.sections[layer.index + 1]);
        let width = match before.name.as_str() {
            "convolutional" | "conv" => "filters",
            "connected" | "conn" => "output",
            other => {
                let message =
                    format!("line {}: [{}] follows [{other}], whose width is not its own", own.line, own.name);
                return Err(Error::file(&cfg.path, message));
            }
        };
        set(&mut lines, own, "classes", classes);
        set(&mut lines, before, width, features(&with_classes(head, classes)));
    }
    Ok(lines.join("\n") + "\n")
}

fn with_classes(head: &Head, classes: usize) -> Head {
    let mut head = head.clone();
    match &mut head {
        Head::Yolo(h) => h.classes = classes,
        Head::Region(h) => h.classes = classes,
        Head::Detection(h) => h.classes = classes,
    }
    head
}

/// Gives a key of a section another value, at its line or at the section's if it was not given.
fn set(lines: &mut [String], section: &Section, key: &str, value: usize) {
    let entry = format!("{key}={value}");
    match section.entries.iter().find(|(k, ..)| k == key) {
        Some((.., line)) => lines[line - 1] = entry,
        None => lines[section.line - 1] = format!("{}\n{entry}", lines[section.line - 1]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BuiltinArgs, Darknet, NAMES, builtin};
    use std::path::Path;

    #[test]
    fn every_network_is_the_one_made_for_that_many_classes() {
        for name in NAMES {
            let args = |classes| BuiltinArgs { classes, ..BuiltinArgs::published(name).unwrap() };
            let [made, wanted] = [3, 7].map(|n| builtin(name, &args(n)).unwrap());
            let other = made.with_classes(7).unwrap();
            assert_eq!(other.heads(), wanted.heads(), "{name}");
            let shapes = |d: &Darknet| d.specs().iter().map(|s| (s.name.clone(), s.ty.clone())).collect::<Vec<_>>();
            assert_eq!(shapes(&other), shapes(&wanted), "{name}");
        }
    }

    #[test]
    fn a_default_is_written_out() {
        let text = "[net]\nheight=32\nwidth=32\nchannels=3\n[convolutional]\nfilters=25\n[yolo]\n";
        let network = Darknet::from_text(Path::new("a.cfg"), text).unwrap();
        let other = network.with_classes(2).unwrap();
        assert_eq!(other.text(), text.replace("25", "7").replace("[yolo]", "[yolo]\nclasses=2"));
        assert_eq!(other.heads()[0].classes(), 2);
    }
}
