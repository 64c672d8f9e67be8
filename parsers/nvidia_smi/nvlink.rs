//! `nvidia-smi nvlink -s` (links and their speed) and `-e` (their errors): a heading a GPU, a line a link.
//!
//! A link without a partner is inactive from the day the board is built, so the GPUs of one list are compared: those with
//! fewer links than the best of their model miss some.

use crate::console;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// The list of links.
#[derive(Debug)]
pub struct Links;

const INACTIVE: Name = "nvlink.inactive";
const MISSING: Name = "nvlink.gpu_missing";
const ERRORS: Name = "nvlink.errors";

/// Most lines of a list: 16 GPUs of 18 links with three counters each.
const MOST_LINES: usize = 1200;

/// Boards on which each GPU has links, by a part of the product's name.
const LINKED: [&str; 7] = ["SXM", "HGX", "80GB HBM3", "H200", "B200", "B300", "GB200"];

/// Numbers of GPUs that a host is built with.
const BUILT_WITH: [usize; 7] = [1, 2, 3, 4, 6, 8, 16];

/// Errors of a link since the driver was loaded that are too many (Imbue's host checks, 2024: NVLink counters from 5 on).
const MANY_ERRORS: i64 = 5;

impl Grammar for Links {
    fn kinds(&self) -> &'static [Name] {
        &[INACTIVE, MISSING, ERRORS]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            INACTIVE => "A GPU has fewer active NVLinks than it should have.",
            MISSING => "The list of GPUs with NVLinks is short of one.",
            ERRORS => "A link between GPUs counts errors.",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["(UUID: GPU-"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        // The list is read from its first heading on.
        let above = cursor
            .preceding()
            .find(|line| !line.str().trim().is_empty())
            .map(|line| line.str().into_owned())
            .unwrap_or_default();
        if is_link(&above) || heading(&above).is_some() {
            return;
        }
        let gpus = list(cursor);
        if gpus.iter().all(|gpu| gpu.active == 0 && gpu.inactive.is_empty() && gpu.errors.is_empty()) {
            return;
        }
        let mut node = None;
        for gpu in &gpus {
            compare(cursor, gpu, &gpus, &mut node, out);
        }
        short_of_one(cursor, &gpus, out);
    }
}

/// A GPU of the list.
struct Gpu<'a> {
    name: String,
    model: String,
    heading: Line<'a>,
    active: usize,
    inactive: Vec<Line<'a>>,
    errors: Vec<(Line<'a>, String, i64)>,
}

fn list<'a>(cursor: &Cursor<'a>) -> Vec<Gpu<'a>> {
    let mut gpus: Vec<Gpu<'a>> = Vec::new();
    let lines = std::iter::once(cursor.line.clone()).chain(cursor.following().take(MOST_LINES));
    for line in lines {
        let text = line.str().into_owned();
        if let Some((name, model)) = heading(&text) {
            let (name, model) = (name.to_owned(), model.to_owned());
            gpus.push(Gpu { name, model, heading: line, active: 0, inactive: Vec::new(), errors: Vec::new() });
            continue;
        }
        if text.trim().is_empty() || text.trim() == "[...]" {
            continue;
        }
        if !is_link(&text) {
            break;
        }
        let Some(gpu) = gpus.last_mut() else { break };
        match counter(&text) {
            _ if text.to_ascii_lowercase().contains("inactive") => gpu.inactive.push(line),
            Some((_, 0)) => {}
            Some((name, count)) => {
                let name = name.to_owned();
                gpu.errors.push((line, name, count));
            }
            None if text.contains("B/s") => gpu.active += 1,
            None => {}
        }
    }
    gpus
}

fn compare(
    cursor: &Cursor<'_>,
    gpu: &Gpu<'_>,
    all: &[Gpu<'_>],
    node: &mut Option<Option<String>>,
    out: &mut Vec<Event>,
) {
    let best = all.iter().filter(|other| other.model == gpu.model).map(|other| other.active).max().unwrap_or_default();
    let linked = LINKED.iter().any(|part| gpu.model.contains(part));
    // Where all links of all GPUs are down, the board tells whether there should be any.
    let short = gpu.active < best || (best == 0 && linked) || (all.len() == 1 && linked);
    let mut push = |line: &Line<'_>, kind, mut fields: Fields| {
        fields.set("gpu", gpu.name.as_str());
        if let Some(node) = node.get_or_insert_with(|| console::host(cursor)) {
            fields.set("node", node.as_str());
        }
        out.push(Event::on(cursor, line, kind, Says::Warning, fields));
    };
    for line in gpu.inactive.iter().filter(|_| short) {
        let mut fields = Fields::default();
        fields.set("active", gpu.active as i64);
        fields.set("link", link(&line.str()).unwrap_or(-1));
        push(line, INACTIVE, fields);
    }
    for (line, name, count) in &gpu.errors {
        let mut fields = Fields::default();
        fields.set("link", link(&line.str()).unwrap_or(-1));
        fields.set("errors", name.as_str());
        fields.set("count", *count);
        fields.set("many", *count >= MANY_ERRORS);
        push(line, ERRORS, fields);
    }
}

/// A number of GPUs that no host is built with, with links of the others down: the far end of those links is not there.
fn short_of_one(cursor: &Cursor<'_>, gpus: &[Gpu<'_>], out: &mut Vec<Event>) {
    let partly = gpus.iter().any(|gpu| gpu.active > 0 && !gpu.inactive.is_empty());
    let (false, true, Some(last)) = (BUILT_WITH.contains(&gpus.len()), partly, gpus.last()) else { return };
    let mut fields = Fields::default();
    fields.set("listed", gpus.len() as i64);
    out.push(Event::on(cursor, &last.heading, MISSING, Says::Warning, fields));
}

/// `GPU 3: Tesla V100-SXM2-32GB (UUID: GPU-…)`: the name and the model.
fn heading(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let (name, rest) = text.split_once(": ")?;
    let (model, _) = rest.split_once(" (UUID: GPU-")?;
    let index = name.strip_prefix("GPU ")?;
    (!index.is_empty() && index.chars().all(|c| c.is_ascii_digit())).then_some((name, model))
}

/// `Link 3: 25 GB/s`, `Link 3: <inactive>`, `Link 3: Replay Errors: 0`, or the sentence for a GPU without any.
fn is_link(text: &str) -> bool {
    let text = text.trim();
    link(text).is_some() || text.starts_with("NVML: Unable to retrieve NVLink information")
}

fn link(text: &str) -> Option<i64> {
    text.trim().strip_prefix("Link ")?.split_once(':')?.0.parse().ok()
}

/// `Replay Errors: 3` of a link.
fn counter(text: &str) -> Option<(&str, i64)> {
    let (_, rest) = text.trim().split_once(": ")?;
    let (name, count) = rest.split_once(": ")?;
    Some((name.trim(), count.trim().parse().ok()?)).filter(|(name, _)| name.contains("rror"))
}
