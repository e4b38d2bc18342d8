//! The text of a `.cfg` file as sections of keys and values, each with its line, and numbers read from them. What the sections
//! mean is `layer.rs`'s business.
//!
//! The format is Darknet's: `[name]` opens a section, `key=value` belongs to the last one, white space counts nowhere, `#` and
//! `;` start a comment. Of a key given twice the first counts. Keys that nobody asks for are passed over, as Darknet does.

use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A `.cfg` file.
#[derive(Clone, Debug, PartialEq)]
pub struct Cfg {
    /// Where it came from, for errors.
    pub path: PathBuf,
    /// Its text, unchanged.
    pub text: String,
    /// Its sections in order; the first is `[net]`.
    pub sections: Vec<Section>,
}

/// A section of a `.cfg` file.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// What stands between the brackets.
    pub name: String,
    /// Its line, from 1.
    pub line: usize,
    /// Key, value and line of each entry.
    pub entries: Vec<(String, String, usize)>,
}

/// Longest text that is read: the largest published networks have some 30 kB.
const MAX_BYTES: usize = 4 << 20;

/// Largest whole number a section may hold where a count or an extent is asked for.
const MAX_COUNT: i64 = 1 << 24;

impl Cfg {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::file(path, "is no text file"))?;
        Self::parse(path, &text)
    }

    /// Takes `text` apart. `path` is for errors alone. Fails on lines that are neither a section, an entry nor a comment, and
    /// unless the first section is `[net]` (or `[network]`) and others follow.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(Error::file(path, format!("is {} bytes long; no cfg has more than {MAX_BYTES}", text.len())));
        }
        let at = |line: usize, message: String| Error::file(path, format!("line {line}: {message}"));
        let mut sections: Vec<Section> = Vec::new();
        for (i, raw) in text.lines().enumerate() {
            let line = i + 1;
            let bare = raw.split(['#', ';']).next().unwrap_or_default();
            let bare: String = bare.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}').collect();
            if bare.is_empty() {
                continue;
            }
            if let Some(name) = bare.strip_prefix('[') {
                let name = name.strip_suffix(']').filter(|n| !n.is_empty());
                let name = name.ok_or_else(|| at(line, format!("'{}' is no section, write [name]", raw.trim())))?;
                sections.push(Section { name: name.to_string(), line, entries: Vec::new() });
                continue;
            }
            let pair = bare.split_once('=').filter(|(key, _)| !key.is_empty());
            let (key, value) =
                pair.ok_or_else(|| at(line, format!("'{}' is not of the form key=value", raw.trim())))?;
            let section = sections
                .last_mut()
                .ok_or_else(|| at(line, format!("'{key}' stands before the first section, which must be [net]")))?;
            section.entries.push((key.to_string(), value.to_string(), line));
        }
        match sections.first() {
            None => return Err(Error::file(path, "holds no sections; a cfg starts with [net]")),
            Some(s) if s.name != "net" && s.name != "network" => {
                return Err(at(s.line, format!("the first section is [{}], it must be [net]", s.name)));
            }
            Some(s) if sections.len() == 1 => return Err(at(s.line, "no layers follow the section [net]".into())),
            Some(_) => {}
        }
        Ok(Self { path: path.to_path_buf(), text: text.to_string(), sections })
    }

    /// The `[net]` section.
    pub fn net(&self) -> Reader<'_> {
        Reader { path: &self.path, section: &self.sections[0] }
    }

    /// The sections after `[net]`, in the order in which layers are counted.
    pub fn layers(&self) -> impl Iterator<Item = Reader<'_>> {
        self.sections[1..].iter().map(|section| Reader { path: &self.path, section })
    }
}

/// A section with the path of its file: reads values and makes errors.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    path: &'a Path,
    /// The section.
    pub section: &'a Section,
}

impl<'a> Reader<'a> {
    /// An error at a line of the file.
    pub fn error_at(&self, line: usize, message: impl std::fmt::Display) -> Error {
        Error::file(self.path, format!("line {line}: [{}] {message}", self.section.name))
    }

    /// An error about the section as a whole.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        self.error_at(self.section.line, message)
    }

    /// An error about the value of `key`, at its line if it was given.
    pub fn wrong(&self, key: &str, message: impl std::fmt::Display) -> Error {
        self.error_at(self.get(key).map_or(self.section.line, |(_, line)| line), format!("{key} {message}"))
    }

    /// The first value of `key` and its line.
    fn get(&self, key: &str) -> Option<(&'a str, usize)> {
        self.section.entries.iter().find(|(k, ..)| k == key).map(|(_, value, line)| (value.as_str(), *line))
    }

    /// Whether `key` is given.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A word, or the default.
    pub fn word(&self, key: &str, default: &'a str) -> &'a str {
        self.get(key).map_or(default, |(value, _)| value)
    }

    /// A word that must be there.
    pub fn required(&self, key: &str) -> Result<&'a str> {
        self.get(key).map(|(value, _)| value).ok_or_else(|| self.error(format!("has no {key}")))
    }

    fn parse<T: FromStr>(&self, key: &str, what: &str) -> Result<Option<T>> {
        let Some((value, _)) = self.get(key) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| self.wrong(key, format!("must be {what}, got '{value}'")))
    }

    /// A whole number of either sign.
    pub fn int(&self, key: &str, default: i64) -> Result<i64> {
        let value = self.parse(key, "a whole number")?.unwrap_or(default);
        match (-MAX_COUNT..=MAX_COUNT).contains(&value) {
            true => Ok(value),
            false => Err(self.wrong(key, format!("is {value}, beyond {MAX_COUNT}"))),
        }
    }

    /// A whole number that is not negative.
    pub fn count(&self, key: &str, default: usize) -> Result<usize> {
        let value = self.int(key, default as i64)?;
        usize::try_from(value).map_err(|_| self.wrong(key, format!("must not be negative, got {value}")))
    }

    /// A whole number of at least 1.
    pub fn positive(&self, key: &str, default: usize) -> Result<usize> {
        match self.count(key, default)? {
            0 => Err(self.wrong(key, "must be at least 1, got 0")),
            value => Ok(value),
        }
    }

    /// A whole number of at least 1 that must be there.
    pub fn required_positive(&self, key: &str) -> Result<usize> {
        self.required(key)?;
        self.positive(key, 1)
    }

    /// 0 or not.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool> {
        Ok(self.int(key, i64::from(default))? != 0)
    }

    /// A finite number.
    pub fn float(&self, key: &str, default: f32) -> Result<f32> {
        let value: f32 = self.parse(key, "a number")?.unwrap_or(default);
        if value.is_finite() { Ok(value) } else { Err(self.wrong(key, "must be finite")) }
    }

    /// Numbers between commas; none if the key is missing. A comma at the end is let pass.
    pub fn list<T: FromStr>(&self, key: &str, what: &str) -> Result<Vec<T>> {
        let Some((value, _)) = self.get(key) else { return Ok(Vec::new()) };
        let items = value.strip_suffix(',').unwrap_or(value).split(',');
        let read = |item: &str| item.parse().map_err(|_| self.wrong(key, format!("must be {what}, got '{item}'")));
        items.map(read).collect()
    }

    /// Fails if any of `keys` is set: they change what the layer computes in ways that are not offered here.
    pub fn refuse(&self, keys: &[&str]) -> Result<()> {
        let off = |value: &str| value.parse::<f32>() == Ok(0.0) || value == "none";
        match keys.iter().find_map(|key| self.get(key).filter(|(value, _)| !off(value)).map(|found| (key, found))) {
            None => Ok(()),
            Some((key, (value, line))) => Err(self.error_at(line, format!("{key}={value} is not supported"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Cfg> {
        Cfg::parse(Path::new("a.cfg"), text)
    }

    #[test]
    fn white_space_and_comments_count_nowhere() {
        let cfg = parse("# first\n [net]\n width = 4 16 ; sic\n\n[ maxpool ]\r\nsize=2 # two\nsize=3\n").unwrap();
        assert_eq!(cfg.net().count("width", 0).unwrap(), 416);
        let pool = cfg.layers().next().unwrap();
        assert_eq!((pool.section.name.as_str(), pool.section.line), ("maxpool", 5));
        assert_eq!(pool.count("size", 1).unwrap(), 2, "the first counts");
        assert_eq!(pool.count("stride", 7).unwrap(), 7);
    }

    #[test]
    fn numbers_and_lists() {
        let cfg = parse("[net]\na=.5\nb=-3\nc=1, 2,3,\nd=x\ne=5.\nf=99999999999\ng=nan\n[cost]").unwrap();
        let net = cfg.net();
        assert_eq!(
            (net.float("a", 0.0).unwrap(), net.int("b", 0).unwrap(), net.float("e", 0.0).unwrap()),
            (0.5, -3, 5.0)
        );
        assert_eq!(net.list::<f32>("c", "numbers").unwrap(), [1.0, 2.0, 3.0]);
        let message = |e: Error| e.to_string();
        assert_eq!(message(net.count("b", 0).unwrap_err()), "a.cfg: line 3: [net] b must not be negative, got -3");
        assert_eq!(message(net.int("d", 0).unwrap_err()), "a.cfg: line 5: [net] d must be a whole number, got 'x'");
        assert_eq!(message(net.int("f", 0).unwrap_err()), "a.cfg: line 7: [net] f is 99999999999, beyond 16777216");
        assert_eq!(message(net.float("g", 0.0).unwrap_err()), "a.cfg: line 8: [net] g must be finite");
        assert_eq!(message(net.required("z").unwrap_err()), "a.cfg: line 1: [net] has no z");
    }

    #[test]
    fn what_is_no_cfg_is_refused_with_its_line() {
        let cases = [
            ("", "a.cfg: holds no sections; a cfg starts with [net]"),
            ("[maxpool]\n", "a.cfg: line 1: the first section is [maxpool], it must be [net]"),
            ("\nwidth=3\n", "a.cfg: line 2: 'width' stands before the first section, which must be [net]"),
            ("[net]\nwidth 3\n", "a.cfg: line 2: 'width 3' is not of the form key=value"),
            ("[net]\n=3\n", "a.cfg: line 2: '=3' is not of the form key=value"),
            ("[net]\n[maxpool\n", "a.cfg: line 2: '[maxpool' is no section, write [name]"),
            ("[net]\nwidth=3\n", "a.cfg: line 1: no layers follow the section [net]"),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(text).unwrap_err().to_string(), wanted);
        }
    }
}
