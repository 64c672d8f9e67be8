//! `nvidia-smi -q`: a tree of titles, two or four spaces a level, and `key : value`; whole or a piece of it.
//!
//! Shape: drivers 390 to 580. Keys are padded to 34 or 51 characters.

use memchr::memmem;

use crate::console;
use crate::event::{Event, Name};
use crate::gpu::{self, Gpu};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};
use crate::{REACH, Value};

/// `nvidia-smi -q`, each section by itself.
#[derive(Debug)]
pub struct Query;

/// Titles of sections that are read as a whole.
const SECTIONS: [&str; 7] = [
    "ECC Errors",
    "Retired Pages",
    "Remapped Rows",
    "Clocks Throttle Reasons",
    "Clocks Event Reasons",
    "GPU Link Info",
    "GPU Reset Status",
];

/// Keys that stand by themselves.
const LEAVES: [&str; 8] = [
    "GPU Recovery Action",
    "Compute Mode",
    "HW Slowdown",
    "HW Thermal Slowdown",
    "HW Power Brake Slowdown",
    "SW Thermal Slowdown",
    "SRAM Uncorrectable",
    "DRAM Uncorrectable",
];

/// Lines of a section.
const MOST_LINES: usize = 48;

impl Grammar for Query {
    fn kinds(&self) -> &'static [Name] {
        gpu::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        gpu::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[
            "ECC Errors",
            "Retired Pages",
            "Retired pages",
            "SRAM Uncorrectable   ",
            "DRAM Uncorrectable   ",
            "Remapped Rows",
            "Clocks Throttle Reasons",
            "Clocks Event Reasons",
            "GPU Link Info",
            "GPU Reset Status",
            "State                   ",
            "GPU Recovery Action     ",
            "Compute Mode            ",
            "HW Slowdown     ",
            "Thermal Slowdown   ",
            "Power Brake Slowdown   ",
            "  : Unknown Error",
            "  : GPU is lost",
            "  : GPU requires reset",
        ]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str().into_owned();
        let title = text.trim();
        if is_section(title) {
            let lines = cursor.following().filter(|line| line.context.node == cursor.line.context.node);
            return section(cursor, title, indent(&text), lines, out);
        }
        let Some((key, value)) = title.split_once(':') else { return };
        let (key, value) = (key.trim(), value.trim());
        match key {
            "State" => fabric(cursor, out),
            _ if LEAVES.contains(&key) && !in_section(cursor) => {
                tell(cursor, &cursor.line, &leaf(key), value, out);
            }
            _ if Gpu::default().judge("", value).is_some() => tell(cursor, &cursor.line, &gpu::word(key), value, out),
            _ => {}
        }
    }
}

fn is_section(title: &str) -> bool {
    SECTIONS.iter().any(|section| section.eq_ignore_ascii_case(title))
}

/// The path of a key that stands by itself.
fn leaf(key: &str) -> String {
    let word = gpu::word(key);
    if word.contains("uncorrectable") { format!("ecc_errors/{word}") } else { word }
}

/// Whether the line stands under the title of a section that is read as a whole.
fn in_section(cursor: &Cursor<'_>) -> bool {
    let mut own = indent(&cursor.line.str());
    for line in cursor.preceding().take(MOST_LINES) {
        let text = line.str();
        if text.trim().is_empty() || own == 0 {
            return false;
        }
        if indent(&text) < own {
            own = indent(&text);
            if is_section(text.trim()) {
                return true;
            }
        }
    }
    false
}

/// `Fabric` is too short a word to look for; its first key is not.
fn fabric(cursor: &Cursor<'_>, out: &mut Vec<Event>) {
    let Some(title) = cursor.preceding().next().filter(|line| line.str().trim() == "Fabric") else { return };
    let lines = std::iter::once(cursor.line.clone()).chain(cursor.following());
    section(cursor, "Fabric", indent(&title.str()), lines, out);
}

/// Reads the keys below a title.
fn section<'a>(
    cursor: &Cursor<'a>,
    title: &str,
    own: usize,
    lines: impl Iterator<Item = Line<'a>>,
    out: &mut Vec<Event>,
) {
    let mut path: Vec<(usize, String)> = vec![(own, gpu::word(title))];
    let mut gpu = Gpu::default();
    let mut who: Option<Who> = None;
    for line in lines.take(MOST_LINES) {
        let text = line.str().into_owned();
        let depth = indent(&text);
        if text.trim().is_empty() || depth <= own {
            break;
        }
        while path.len() > 1 && path.last().is_some_and(|(at, _)| *at >= depth) {
            path.pop();
        }
        let Some((key, value)) = text.trim().split_once(':') else {
            path.push((depth, gpu::word(&text)));
            continue;
        };
        let titles: Vec<&str> = path.iter().map(|(_, title)| title.as_str()).collect();
        let full = format!("{}/{}", titles.join("/"), gpu::word(key));
        gpu.note(&full, value);
        if let Some(told) = gpu.judge(&full, value) {
            push(cursor, &line, told, who.get_or_insert_with(|| Who::of(cursor)), out);
        }
        // A title may have a value of its own: `HW Slowdown : Active` with two reasons below it.
        path.push((depth, gpu::word(key)));
    }
}

/// Tells of one reading that stands by itself.
fn tell(cursor: &Cursor<'_>, line: &Line<'_>, path: &str, value: &str, out: &mut Vec<Event>) {
    if let Some(told) = Gpu::default().judge(path, value) {
        push(cursor, line, told, &Who::of(cursor), out);
    }
}

/// Which GPU, and on which host.
struct Who {
    gpu: Option<String>,
    node: Option<String>,
}

impl Who {
    fn of(cursor: &Cursor<'_>) -> Self {
        Self { gpu: header(cursor), node: console::host(cursor) }
    }
}

fn push(cursor: &Cursor<'_>, line: &Line<'_>, told: gpu::Told, who: &Who, out: &mut Vec<Event>) {
    let (kind, says, mut fields) = told;
    for (name, value) in [("gpu", &who.gpu), ("node", &who.node)] {
        if let Some(value) = value {
            fields.set(name, Value::Text(value.clone()));
        }
    }
    out.push(Event::on(cursor, line, kind, says, fields));
}

/// The GPU whose block the line stands in, as `GPU 00000000:3B:00.0` heads it.
fn header(cursor: &Cursor<'_>) -> Option<String> {
    let before = &cursor.block.data[cursor.line.start.saturating_sub(REACH)..cursor.line.start];
    let at = memmem::rfind_iter(before, b"GPU ").take(64).find(|at| is_header(before, *at))?;
    let apart = memmem::find(&before[at..], b"NVSMI LOG").is_some();
    let name = before[at + 4..].split(|byte| byte.is_ascii_whitespace()).next()?;
    (!apart).then(|| String::from_utf8_lossy(name).into_owned())
}

/// Whether a PCI address follows, and nothing but a prefix stands before.
fn is_header(text: &[u8], at: usize) -> bool {
    let name = text[at + 4..].split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default().trim_ascii_end();
    let address = name.len() >= 12 && name.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    address && name.contains(&b'.') && (at == 0 || matches!(text[at - 1], b'\n' | b' ' | b'\r'))
}

fn indent(text: &str) -> usize {
    text.len() - text.trim_start().len()
}
