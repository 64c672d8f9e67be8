//! The chain from the cause to the symptom as boxes and arrows.

use maud::{Markup, html};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::super::{Finding, Link, Report, Role, guard, words};

/// Width of the picture, and of the times at its left, in its own units: a phone shows it nearly unscaled.
const WIDTH: usize = 490;
const LEFT: usize = 120;
/// Columns of text that a box holds: 13 px type is about 6.6 units a column.
const COLUMNS: usize = 52;
const ROW: usize = 18;
const GAP: usize = 26;

/// The chain, drawn.
pub(super) fn draw(finding: &Finding, report: &Report) -> Markup {
    let boxes: Vec<Placed<'_>> = placed(finding, report);
    let height = boxes.last().map_or(0, |last| last.top + last.height + 2);
    let told: Vec<String> = boxes.iter().map(|placed| format!("{} {}", placed.when, placed.text.join(" "))).collect();
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (height) } width=(WIDTH + WIDTH / 5) role="img" aria-labelledby="chain-title chain-desc" {
            title id="chain-title" { "How the cause led to what was seen" }
            desc id="chain-desc" { (told.join("; then ")) }
            @for (at, placed) in boxes.iter().enumerate() {
                @if at > 0 { (arrow(placed.top)) }
                (draw_box(placed))
            }
        }
    }
}

/// A box and where it stands.
struct Placed<'a> {
    link: &'a Link,
    when: String,
    text: Vec<String>,
    top: usize,
    height: usize,
}

fn placed<'a>(finding: &'a Finding, report: &Report) -> Vec<Placed<'a>> {
    let mut top = 2;
    let mut boxes = Vec::new();
    for link in &finding.chain {
        let mut text = vec![heading(link, report)];
        text.retain(|line| !line.is_empty());
        text.extend(wrapped(&words::happened(link), COLUMNS));
        let height = (text.len() + 1) * ROW + 14;
        boxes.push(Placed { link, when: words::when(link), text, top, height });
        top += height + GAP;
    }
    boxes
}

/// Who, and how many lines say so.
fn heading(link: &Link, report: &Report) -> String {
    let whom = words::capital(&words::whom(link, report));
    let lines = if link.events > 1 { words::count(link.events, "line") } else { String::new() };
    [whom, lines].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn arrow(top: usize) -> Markup {
    let x = LEFT + 24;
    html! {
        line class="arrow" x1=(x) y1=(top - GAP) x2=(x) y2=(top - 6) {}
        polygon class="head" points=(format!("{},{} {},{} {},{}", x - 5, top - 9, x + 5, top - 9, x, top - 1)) {}
    }
}

fn draw_box(placed: &Placed<'_>) -> Markup {
    let Placed { link, when, text, top, height } = placed;
    let class = match link.role {
        Role::Cause => "box cause",
        Role::Effect => "box",
        Role::Symptom => "box symptom",
    };
    let role = match link.role {
        Role::Cause => "cause",
        Role::Effect => "",
        Role::Symptom => "seen last",
    };
    let place = shortened(&words::place(&link.example), COLUMNS);
    let headed = text.len() > 1;
    html! {
        text class="strong" x=(LEFT - 10) y=(top + 23) text-anchor="end" { (when) }
        @if !role.is_empty() { text class="small" x=(LEFT - 10) y=(top + 41) text-anchor="end" { (role) } }
        rect class=(class) x=(LEFT) y=(top) width=(WIDTH - LEFT - 2) height=(height) rx="6" {
            title { (guard::plain(link.example.text.trim())) }
        }
        @for (at, line) in text.iter().enumerate() {
            text class=(if at == 0 && headed { "strong" } else { "" }) x=(LEFT + 12) y=(top + 23 + at * ROW) { (line) }
        }
        text class="small" x=(LEFT + 12) y=(top + 23 + text.len() * ROW) { (place) }
    }
}

/// Text in lines of so many columns.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in guard::plain(text).split(' ') {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(&shortened(word, columns));
        } else if line.width() + 1 + word.width() <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(shortened(word, columns));
        }
    }
    lines
}

/// The end of a text, where it is longer than so many columns.
fn shortened(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let kept: Vec<char> = text
        .chars()
        .rev()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect();
    std::iter::once('…').chain(kept.into_iter().rev()).collect()
}
