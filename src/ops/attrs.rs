//! Attributes as they come from JSON, read by PyTorch's names and with errors that name the attribute.

use super::Activation;
use crate::{Error, Result};
use serde_json::{Map, Value as Json};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The attributes of one op. Every getter takes the default that PyTorch has; [`Attrs::finish`] refuses leftovers.
#[derive(Debug)]
pub struct Attrs {
    op: &'static str,
    map: Map<String, Json>,
    seen: RefCell<BTreeSet<&'static str>>,
}

impl Attrs {
    /// Attributes of `op` from a JSON object (or null for none).
    pub fn new(op: &'static str, json: &Json) -> Result<Self> {
        let map = match json {
            Json::Object(map) => map.clone(),
            Json::Null => Map::new(),
            other => return Err(error(op, format!("attributes must be a JSON object, got {other}"))),
        };
        Ok(Self { op, map, seen: RefCell::default() })
    }

    /// The op's name.
    pub fn op(&self) -> &'static str {
        self.op
    }

    /// Fails if an attribute was given that nobody asked for.
    pub fn finish(&self) -> Result<()> {
        let seen = self.seen.borrow();
        match self.map.keys().find(|k| !seen.contains(k.as_str())) {
            None => Ok(()),
            Some(key) => {
                let known: Vec<&str> = seen.iter().copied().collect();
                Err(self.fail(key, format!("is not known; known are: {}", known.join(", "))))
            }
        }
    }

    /// An error about one attribute.
    pub fn fail(&self, name: &str, message: impl std::fmt::Display) -> Error {
        error(self.op, format!("attribute '{name}' {message}"))
    }

    fn get(&self, name: &'static str) -> Option<&Json> {
        self.seen.borrow_mut().insert(name);
        self.map.get(name).filter(|v| !v.is_null())
    }

    /// Whether the attribute was given.
    pub fn has(&self, name: &'static str) -> bool {
        self.get(name).is_some()
    }

    /// A float.
    pub fn float(&self, name: &'static str, default: f32) -> Result<f32> {
        self.get(name).map_or(Ok(default), |v| {
            v.as_f64().map(|f| f as f32).ok_or_else(|| self.fail(name, format!("must be a number, got {v}")))
        })
    }

    /// A float in double precision, for numbers whose distance from 1 counts.
    pub fn double(&self, name: &'static str, default: f64) -> Result<f64> {
        self.get(name)
            .map_or(Ok(default), |v| v.as_f64().ok_or_else(|| self.fail(name, format!("must be a number, got {v}"))))
    }

    /// A boolean.
    pub fn flag(&self, name: &'static str, default: bool) -> Result<bool> {
        self.get(name).map_or(Ok(default), |v| {
            v.as_bool().ok_or_else(|| self.fail(name, format!("must be true or false, got {v}")))
        })
    }

    /// A whole number, possibly negative.
    pub fn int(&self, name: &'static str, default: i64) -> Result<i64> {
        self.get(name).map_or(Ok(default), |v| {
            v.as_i64().ok_or_else(|| self.fail(name, format!("must be a whole number, got {v}")))
        })
    }

    /// A non-negative whole number.
    pub fn size(&self, name: &'static str, default: usize) -> Result<usize> {
        let v = self.int(name, default as i64)?;
        usize::try_from(v).map_err(|_| self.fail(name, format!("must not be negative, got {v}")))
    }

    /// A string, one of `accepted`.
    pub fn choice(&self, name: &'static str, default: &str, accepted: &[&str]) -> Result<String> {
        let given = match self.get(name) {
            None => default,
            Some(Json::String(s)) => s.as_str(),
            Some(other) => return Err(self.fail(name, format!("must be a string, got {other}"))),
        };
        if accepted.contains(&given) {
            Ok(given.to_string())
        } else {
            Err(self.fail(name, format!("must be one of {}, got '{given}'", accepted.join(", "))))
        }
    }

    /// A list of whole numbers, or `None` if absent.
    pub fn list(&self, name: &'static str) -> Result<Option<Vec<i64>>> {
        let Some(v) = self.get(name) else { return Ok(None) };
        let wrong = || self.fail(name, format!("must be a list of whole numbers, got {v}"));
        let items = v.as_array().ok_or_else(wrong)?;
        items.iter().map(|i| i.as_i64().ok_or_else(wrong)).collect::<Result<_>>().map(Some)
    }

    /// A list of numbers, or `None` if absent.
    pub fn floats(&self, name: &'static str) -> Result<Option<Vec<f32>>> {
        let Some(v) = self.get(name) else { return Ok(None) };
        let wrong = || self.fail(name, format!("must be a list of numbers, got {v}"));
        let items = v.as_array().ok_or_else(wrong)?;
        items.iter().map(|i| i.as_f64().map(|f| f as f32).ok_or_else(wrong)).collect::<Result<_>>().map(Some)
    }

    /// `n` or `[h, w]`.
    pub fn pair(&self, name: &'static str, default: [usize; 2]) -> Result<[usize; 2]> {
        let Some(v) = self.get(name) else { return Ok(default) };
        let wrong = || self.fail(name, format!("must be a whole number or [h, w], got {v}"));
        let number = |v: &Json| v.as_u64().map(|n| n as usize).ok_or_else(wrong);
        match v {
            Json::Array(items) if items.len() == 2 => Ok([number(&items[0])?, number(&items[1])?]),
            Json::Array(items) if items.len() == 1 => Ok([number(&items[0])?; 2]),
            other => number(other).map(|n| [n, n]),
        }
    }

    /// `f` or `[h, w]` in double precision, or `None` if absent.
    pub fn float_pair(&self, name: &'static str) -> Result<Option<[f64; 2]>> {
        let Some(v) = self.get(name) else { return Ok(None) };
        let wrong = || self.fail(name, format!("must be a number or [h, w], got {v}"));
        let number = |v: &Json| v.as_f64().ok_or_else(wrong);
        match v {
            Json::Array(items) if items.len() == 2 => Ok(Some([number(&items[0])?, number(&items[1])?])),
            other => number(other).map(|f| Some([f, f])),
        }
    }

    /// `n`, `[h, w]` or four-sided `[left, right, top, bottom]`; returns `[top, bottom, left, right]`.
    pub fn padding(&self, name: &'static str) -> Result<[usize; 4]> {
        if self.get(name).and_then(Json::as_array).is_some_and(|items| items.len() == 4) {
            let sides = self.list(name)?.expect("present");
            let side = |i: usize| {
                usize::try_from(sides[i])
                    .map_err(|_| self.fail(name, format!("must not be negative, got {}", sides[i])))
            };
            return Ok([side(2)?, side(3)?, side(0)?, side(1)?]);
        }
        let [h, w] = self.pair(name, [0, 0])?;
        Ok([h, h, w, w])
    }

    /// `none`, `relu`, `leaky_relu` (with `negative_slope`), `silu` or `sigmoid`, under the name `activation`.
    pub fn activation(&self) -> Result<Activation> {
        let names = ["none", "relu", "leaky_relu", "silu", "sigmoid"];
        Ok(match self.choice("activation", "none", &names)?.as_str() {
            "relu" => Activation::Relu,
            "leaky_relu" => Activation::Leaky(self.float("negative_slope", 0.01)?),
            "silu" => Activation::Silu,
            "sigmoid" => Activation::Sigmoid,
            _ => Activation::None,
        })
    }
}

fn error(op: &str, message: String) -> Error {
    Error::Attribute { op: op.into(), message }
}
