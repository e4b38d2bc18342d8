//! Which class of the labels is which class of the network: by name, by a map, and by the numbers COCO gives.

use std::collections::BTreeMap;
use std::path::Path;

use super::labelled::LabelledFiles;
use crate::{Error, Result};

/// For names in the labels: what they are to be called, or `None` for boxes to be left out. Other names stay. As JSON:
/// `{"RBC": "cell", "WBC": "cell", "Platelets": null}`.
pub type ClassMap = BTreeMap<String, Option<String>>;

/// Names of one thing in the lists of COCO, Pascal VOC and Darknet.
const SYNONYMS: [[&str; 2]; 6] = [
    ["motorcycle", "motorbike"],
    ["airplane", "aeroplane"],
    ["couch", "sofa"],
    ["pottedplant", "potted plant"],
    ["diningtable", "dining table"],
    ["tv", "tvmonitor"],
];

/// Reads a [`ClassMap`].
pub fn read_class_map(path: impl AsRef<Path>) -> Result<ClassMap> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    serde_json::from_str(&text).map_err(|e| Error::file(path, format!("is no map of class names in JSON: {e}")))
}

/// The names in a file, one a line.
pub fn read_names(path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let names: Vec<String> = text.lines().map(|l| l.trim().to_string()).filter(|l| !l.is_empty()).collect();
    if names.is_empty() { Err(Error::file(path, "holds no class names; write one a line")) } else { Ok(names) }
}

/// Where `name` stands in `names`: as it is written, else without regard to case, else by another name COCO, VOC or
/// Darknet have for it.
pub fn find_class(names: &[String], name: &str) -> Option<usize> {
    let same = |a: &str| names.iter().position(|n| n.eq_ignore_ascii_case(a));
    names.iter().position(|n| n == name).or_else(|| same(name)).or_else(|| {
        let pair = SYNONYMS.iter().find(|pair| pair.iter().any(|s| s.eq_ignore_ascii_case(name)))?;
        pair.iter().find_map(|s| same(s))
    })
}

impl LabelledFiles {
    /// The same boxes with the classes of a network. Fails if boxes are of a class that it does not have.
    pub fn with_classes(mut self, wanted: &[String]) -> Result<Self> {
        let to: Vec<Option<usize>> = self.classes.iter().map(|c| find_class(wanted, c)).collect();
        let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
        for class in self.entries.iter().flat_map(|e| &e.boxes).map(|b| b.class).filter(|&c| to[c].is_none()) {
            *missing.entry(&self.classes[class]).or_default() += 1;
        }
        if !missing.is_empty() {
            let list: Vec<String> = missing.iter().map(|(name, n)| format!("'{name}' ({n} boxes)")).collect();
            return Err(Error::Usage(format!(
                "the labels have {} which the classes {} do not; a class map can rename or leave out",
                shortened(&list),
                shortened(wanted)
            )));
        }
        self.renumber(&to, wanted.to_vec());
        Ok(self)
    }

    /// The same boxes under other names; boxes that the map leaves out are gone. Fails if the map has a name that the
    /// labels have not, or if nothing is left.
    pub fn renamed(mut self, map: &ClassMap) -> Result<Self> {
        if let Some(unknown) = map.keys().find(|name| !self.classes.contains(name)) {
            return Err(Error::Usage(format!(
                "the class map names '{unknown}', but the labels have {}",
                shortened(&self.classes)
            )));
        }
        let mut names: Vec<String> = Vec::new();
        let mut to = Vec::new();
        for class in &self.classes {
            let name = map.get(class).map_or(Some(class), Option::as_ref);
            to.push(name.map(|name| {
                names.iter().position(|n| n == name).unwrap_or_else(|| {
                    names.push(name.clone());
                    names.len() - 1
                })
            }));
        }
        if names.is_empty() {
            return Err(Error::Usage("the class map leaves out every class".into()));
        }
        self.renumber(&to, names);
        Ok(self)
    }

    /// Moves each class to its new number, drops boxes that have none, and takes the category ids along.
    fn renumber(&mut self, to: &[Option<usize>], names: Vec<String>) {
        for entry in &mut self.entries {
            let mut boxes = entry.boxes.iter();
            entry.masks.retain(|_| boxes.next().is_some_and(|b| to[b.class].is_some()));
            entry.boxes.retain_mut(|b| {
                let new = to[b.class];
                b.class = new.unwrap_or_default();
                new.is_some()
            });
        }
        let mut ids: Vec<Option<u64>> = vec![None; names.len()];
        for (old, new) in to.iter().enumerate() {
            if let Some(new) = new {
                ids[*new].get_or_insert(self.category_ids[old]);
            }
        }
        // Classes that the labels do not know get numbers above all others.
        let mut next = self.category_ids.iter().copied().max().unwrap_or(0);
        self.category_ids = ids
            .into_iter()
            .map(|id| {
                id.unwrap_or_else(|| {
                    next += 1;
                    next
                })
            })
            .collect();
        self.classes = names;
    }
}

/// A list of names for a message.
pub fn shortened(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        _ if names.len() <= 8 => names.join(", "),
        _ => format!("{}, ... ({} in all)", names[..8].join(", "), names.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::labelled::{LabelledPictures, RawBox, RawPicture, Unit};
    use super::*;
    use crate::detection::{BBox, Labelled};

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| s.to_string()).collect()
    }

    /// One picture with a box of each class.
    fn files(classes: &[&str]) -> LabelledFiles {
        let bbox = BBox { x0: 1.0, y0: 1.0, x1: 3.0, y1: 3.0 };
        let boxes = (0..classes.len()).map(|c| RawBox::new(Labelled::new(bbox, c), String::new()));
        let picture =
            RawPicture { path: "a.png".into(), id: None, size: Some([5, 5]), label_file: None, boxes: boxes.collect() };
        LabelledFiles::assemble("test", vec![picture], names(classes), Unit::Pixels).unwrap().0
    }

    fn classes_of(files: &LabelledFiles) -> Vec<usize> {
        files.entries[0].boxes.iter().map(|b| b.class).collect()
    }

    #[test]
    fn classes_are_found_by_name() {
        let got = files(&["Person", "couch", "dog"]).with_classes(&names(&["sofa", "dog", "cat", "person"])).unwrap();
        assert_eq!(classes_of(&got), [3, 0, 1]);
        assert_eq!(got.category_ids(), [2, 3, 4, 1], "what the labels call them, then new numbers");
        let text = files(&["dog", "yak"]).with_classes(&names(&["dog"])).unwrap_err().to_string();
        assert!(text.contains("'yak' (1 boxes) which the classes dog do not"), "{text}");
    }

    #[test]
    fn a_map_joins_renames_and_leaves_out() {
        let map: ClassMap = serde_json::from_str(r#"{"RBC": "cell", "WBC": "cell", "Platelets": null}"#).unwrap();
        let got = files(&["Platelets", "RBC", "WBC", "dust"]).renamed(&map).unwrap();
        assert_eq!((got.classes(), classes_of(&got)), (&names(&["cell", "dust"])[..], vec![0, 0, 1]));
        let text = files(&["dust"]).renamed(&map).unwrap_err().to_string();
        assert!(text.contains("names 'Platelets'") && text.contains("labels have dust"), "{text}");
        let nothing: ClassMap = serde_json::from_str(r#"{"dust": null}"#).unwrap();
        assert!(files(&["dust"]).renamed(&nothing).unwrap_err().to_string().contains("every class"));
    }

    #[test]
    fn names_come_one_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.names");
        std::fs::write(&path, "dog\r\n traffic light \n\n").unwrap();
        assert_eq!(read_names(&path).unwrap(), ["dog", "traffic light"]);
        std::fs::write(&path, "\n").unwrap();
        assert!(read_names(&path).unwrap_err().to_string().contains("no class names"));
    }
}
