//! The vectors' own dialect: JSON with `//` comments, and tensors as shape, data and type.

use serde_json::Value as Json;
use wgvision::tensor::Tensor;

/// Parses JSON in which `//` starts a comment and a comma may come before a closing bracket.
pub fn parse(text: &str) -> serde_json::Result<Json> {
    let mut plain = String::with_capacity(text.len());
    let (mut chars, mut quoted) = (text.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => {
                plain.push(c);
                plain.extend(chars.next());
            }
            '/' if !quoted && chars.peek() == Some(&'/') => while chars.next_if(|&c| c != '\n').is_some() {},
            ']' | '}' if !quoted => {
                let end = plain.trim_end().len();
                if plain[..end].ends_with(',') {
                    plain.truncate(end - 1);
                }
                plain.push(c);
            }
            _ => {
                quoted ^= c == '"';
                plain.push(c);
            }
        }
    }
    serde_json::from_str(&plain)
}

/// A list of whole numbers.
pub fn sizes(value: &Json) -> Option<Vec<usize>> {
    value.as_array()?.iter().map(|v| v.as_u64().map(|n| n as usize)).collect()
}

/// A float32 tensor; `None` for another type. One number fills the shape.
pub fn tensor(value: &Json) -> Option<Tensor> {
    if value["type"] != "float32" {
        return None;
    }
    let shape = sizes(&value["shape"])?;
    let data: Vec<f32> = match &value["data"] {
        Json::Array(items) => items.iter().map(|v| v.as_f64().map(|f| f as f32)).collect::<Option<_>>()?,
        one => vec![one.as_f64()? as f32; shape.iter().product()],
    };
    Tensor::new(shape, wgvision::tensor::Data::F32(data)).ok()
}

#[test]
fn comments_and_last_commas_are_dropped() {
    let read = parse("{ // a\n \"x\": [1, 2, // b\n ], \"y\": \"a // b\\\"\", }").expect("readable");
    assert_eq!(read, serde_json::json!({ "x": [1, 2], "y": "a // b\"" }));
}
