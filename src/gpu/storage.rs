//! Tensors stored in half precision: any kernel's text with the declarations of some of its tensors, and what it reads from and
//! writes to them, rewritten. Arithmetic stays f32: a half is widened where it is read, a result rounded where it is stored.
//!
//! The files stay WGSL over f32 as they stand. What a rewritten text calls is in `shaders/lib/half_native.wgsl` and `half_packed.wgsl`.

use super::kernel::Kernel;
use super::shader::join;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// How halves lie in memory, which is the same bytes in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HalfForm {
    /// The device's type f16.
    Native,
    /// Two to a word.
    Packed,
}

impl HalfForm {
    /// The line that brings in what a rewritten text calls.
    pub fn piece(self) -> &'static str {
        match self {
            Self::Native => "// uses: half_native\n",
            Self::Packed => "// uses: half_packed\n",
        }
    }
}

/// A storage declaration, taken apart.
struct Declared {
    line: String,
    name: String,
    /// 1, 2 or 4 numbers to an element.
    lanes: usize,
    /// Elements are words that the kernel moves without looking at them.
    words: bool,
}

/// The text, joined and specialised, with the tensors at `bindings` in half precision. `None` where that cannot be: elements that are
/// neither numbers nor two or four of them; or single numbers that are stored, since a word belongs to two (in both forms, so that
/// devices do not differ in what they round).
pub fn halve(text: &str, bindings: &[u32], form: HalfForm) -> Option<String> {
    let mut text = without_comments(text);
    for &binding in bindings {
        let declared = declared(&text, binding)?;
        let Declared { line, name, lanes, .. } = &declared;
        let (before, after) = line.split_once("array<").expect("taken apart before");
        let rest = after.rsplit_once('>').expect("taken apart before").1;
        let marked = text.replace(line, "\u{0}");
        let accessed = accesses(&marked, name, &declared)?;
        text = accessed.replace('\u{0}', &format!("{before}array<Half{lanes}>{rest}"));
    }
    Some(if bindings.is_empty() { text } else { join(&format!("{}{text}", form.piece()), false) })
}

/// Whether a kernel can have the tensor at `binding` in half precision.
pub fn takes_half(kernel: &'static Kernel, binding: u32) -> bool {
    static KNOWN: OnceLock<Mutex<HashMap<(usize, u32), bool>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let key = (std::ptr::from_ref(kernel) as usize, binding);
    let found = known.lock().expect("no panic under lock").get(&key).copied();
    found.unwrap_or_else(|| {
        let takes = halve(&join(kernel.source, false), &[binding], HalfForm::Packed).is_some();
        known.lock().expect("no panic under lock").insert(key, takes);
        takes
    })
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(line.split("//").next().unwrap_or_default().trim_end());
        out.push('\n');
    }
    out
}

fn declared(text: &str, binding: u32) -> Option<Declared> {
    let mark = format!("@binding({binding}) var<storage");
    let line = text.lines().find(|l| l.contains(&mark))?;
    let (head, element) = line.split_once("array<")?;
    let element = element.rsplit_once('>')?.0;
    let name = head.rsplit_once('>')?.1.split(':').next()?.trim().to_string();
    let alias = format!("alias {element} = ");
    let element = text.lines().find_map(|l| l.strip_prefix(&alias)).map_or(element, |l| l.trim_end_matches(';'));
    let (lanes, number) = match element.split_once('<') {
        None => (1, element),
        Some((vector, number)) => {
            let lanes = vector.strip_prefix("vec")?.parse().ok()?;
            (lanes, number.trim_end_matches('>'))
        }
    };
    let known = matches!(lanes, 1 | 2 | 4) && matches!(number, "f32" | "u32");
    known.then(|| Declared { line: line.to_string(), name, lanes, words: number == "u32" })
}

/// Every `name[...]` of the text, read or assigned to, by way of the functions of the library.
fn accesses(text: &str, name: &str, declared: &Declared) -> Option<String> {
    let lanes = declared.lanes;
    let pattern = format!("{name}[");
    let of = |scalar: &str| if lanes == 1 { scalar.to_string() } else { format!("vec{lanes}<{scalar}>") };
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(at) = rest.find(&pattern) {
        let before = rest[..at].chars().next_back().or(out.chars().next_back());
        out.push_str(&rest[..at]);
        rest = &rest[at + pattern.len()..];
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.') {
            out.push_str(&pattern);
            continue;
        }
        let close = closing(rest)?;
        let index = accesses(&rest[..close], name, declared)?;
        rest = &rest[close + 1..];
        let place = match lanes {
            1 => format!("{name}[u32({index}) >> HALF_SHIFT]"),
            _ => format!("{name}[{index}]"),
        };
        match follows(rest) {
            Follows::Nothing if lanes == 1 => {
                out.push_str(&wrapped(declared.words, &of("u32"), format!("half_load1({place}, u32({index}))")));
            }
            Follows::Nothing => {
                out.push_str(&wrapped(declared.words, &of("u32"), format!("half_load{lanes}({place})")));
            }
            Follows::Assignment if lanes > 1 => {
                let (equals, end) = (rest.find('=').expect("seen"), rest.find(';')?);
                let value = accesses(rest[equals + 1..end].trim(), name, declared)?;
                let value = wrapped(declared.words, &of("f32"), value);
                out.push_str(&format!("{place} = half_store{lanes}({value})"));
                rest = &rest[end..];
            }
            Follows::Assignment | Follows::Change => return None,
        }
    }
    out.push_str(rest);
    Some(out)
}

/// The same bits under another type, where elements are words.
fn wrapped(words: bool, ty: &str, expression: String) -> String {
    if words { format!("bitcast<{ty}>({expression})") } else { expression }
}

/// What is done to an element behind its closing bracket.
enum Follows {
    /// It is read.
    Nothing,
    /// All of it is written.
    Assignment,
    /// Something else is done, a part of it written or something added.
    Change,
}

fn follows(rest: &str) -> Follows {
    let after = rest.trim_start();
    let operator: String = after.chars().take_while(|c| "=+-*/%&|^<>".contains(*c)).collect();
    if operator == "=" {
        return Follows::Assignment;
    }
    let changes = |op: &str| op.ends_with('=') && !matches!(op, "==" | "<=" | ">=");
    // A component: `.x = `, `[i] = `.
    let mut part = after;
    while let Some(next) = part.chars().next() {
        part = match next {
            '.' => part[1..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
            '[' => match closing(&part[1..]) {
                Some(close) => &part[close + 2..],
                None => return Follows::Change,
            },
            _ => break,
        };
    }
    let part_operator: String = part.trim_start().chars().take_while(|c| "=+-*/%&|^<>".contains(*c)).collect();
    match changes(&operator) || changes(&part_operator) {
        true => Follows::Change,
        false => Follows::Nothing,
    }
}

/// Where the bracket closes that was opened just before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return Some(at),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "alias V = vec4<f32>;\n\
        @group(0) @binding(1) var<storage, read_write> x: array<f32>;\n\
        @group(0) @binding(2) var<storage, read_write> y: array<V>; // y[0] = x[1\n\
        fn f(i: u32) { if max[0] == x[x2[i]] { y[i] = V(x[i + u32(x[0])]) + y[i].xyzw; } }\n";

    #[test]
    fn reads_are_widened_and_stores_rounded() {
        let text = halve(SOURCE, &[1, 2], HalfForm::Packed).expect("can be");
        assert!(text.contains("x: array<Half1>;\n") && text.contains("y: array<Half4>;\n"), "{text}");
        assert!(text.contains("max[0] == half_load1(x[u32(x2[i]) >> HALF_SHIFT], u32(x2[i])) {"), "{text}");
        assert!(text.contains("y[i] = half_store4(V(half_load1("), "{text}");
        assert!(text.contains("+ half_load4(y[i]).xyzw);"), "{text}");
        assert!(text.contains("fn half_store4") && !text.contains("x[1\n"), "{text}");
    }

    #[test]
    fn words_keep_their_type() {
        let source = SOURCE.replace("vec4<f32>", "vec4<u32>");
        let text = halve(&source, &[2], HalfForm::Native).expect("can be");
        assert!(text.contains("y[i] = half_store4(bitcast<vec4<f32>>(V("), "{text}");
        assert!(text.contains("bitcast<vec4<u32>>(half_load4(y[i])).xyzw"), "{text}");
        assert!(text.starts_with("enable f16;"), "{text}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let single = "@group(0) @binding(1) var<storage, read_write> x: array<f32>;\nfn f() { x[0] = 1.0; }\n";
        assert!(halve(single, &[1], HalfForm::Native).is_none());
        let pairs = single.replace("array<f32>", "array<vec2<f32>>");
        assert!(halve(&pairs, &[1], HalfForm::Native).is_some());
        for change in ["x[0] += 1.0;", "x[0].x = 1.0;", "x[0][1] = 1.0;", "x[0].y |= 1;"] {
            let text = pairs.replace("x[0] = 1.0;", change);
            assert!(halve(&text, &[1], HalfForm::Native).is_none(), "{change}");
        }
        assert!(halve(&pairs.replace("array<vec2<f32>>", "array<Row>"), &[1], HalfForm::Native).is_none());
    }
}
