//! The ranks and what became of them, drawn: a lane a rank, or bands of ranks where there are many.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::axis::Axis;
use super::super::marks::{LEGEND, Mark};
use super::super::{Lane, Moment, Report, words};

/// Most ranks that get a lane each.
const MOST_LANES: usize = 40;
/// Most culprits that are drawn above the bands.
const MOST_CULPRITS: usize = 8;
/// Bands of ranks, and cells of a band.
const BANDS: usize = 32;
const CELLS: usize = 72;
/// Width of the picture and of the names at its left; height of a lane.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 14.0;
const LANE: f64 = 22.0;
const BAND: f64 = 15.0;

/// The section with the picture; nothing where no rank left a trace.
pub(super) fn draw(report: &Report) -> Markup {
    let lanes = &report.timeline.lanes;
    if lanes.iter().all(|lane| lane.moments.is_empty()) {
        return html! {};
    }
    let axis = Axis::of(lanes);
    let culprits: Vec<i64> = report.findings.first().map(|finding| finding.culprit.ranks.clone()).unwrap_or_default();
    let many = ranks(lanes).count() > MOST_LANES;
    html! {
        section aria-labelledby="ranks" {
            h2 id="ranks" { "What became of the ranks" }
            p class="faint" { (about(report, &axis, many)) }
            div class="scroll" tabindex="0" role="region" aria-label="Timeline of ranks and hosts" {
                @if many { (bands(lanes, &culprits, &axis)) } @else { (single(lanes, &culprits, &axis)) }
            }
            (legend(lanes, axis.timed))
        }
    }
}

fn about(report: &Report, axis: &Axis, many: bool) -> String {
    let lanes = ranks(&report.timeline.lanes).count() as u64;
    let told = match report.timeline.world_size.and_then(|size| u64::try_from(size).ok()) {
        Some(size) if size > lanes => {
            format!("{} of {} left a trace", words::number(lanes), words::count(size, "rank"))
        }
        _ => format!("{} left a trace", words::count(lanes, "rank")),
    };
    let grouped = if many { "; ranks are grouped into bands, the culprits stand on top" } else { "" };
    let scale = match axis.timed {
        true => "From left to right: time",
        false => "The lines tell no common time, so from left to right: the order of lines in their file",
    };
    format!("{told}{grouped}. {scale}.")
}

/// The lanes of ranks.
fn ranks(lanes: &[Lane]) -> impl Iterator<Item = &Lane> {
    lanes.iter().filter(|lane| lane.rank.is_some())
}

/// Whether a lane is one of these ranks'.
fn is_of(lane: &Lane, culprits: &[i64]) -> bool {
    lane.rank.is_some_and(|rank| culprits.contains(&rank))
}

/// Marks of the axis that there are about.
const TICKS: f64 = 6.0;

/// Where a share of the axis stands in the picture.
fn across(share: f64) -> f64 {
    LEFT + 10.0 + share * (WIDTH - LEFT - RIGHT - 20.0)
}

fn grid(axis: &Axis, bottom: f64) -> Markup {
    html! {
        @for (x, name) in axis.ticks(TICKS).into_iter().map(|(share, name)| (across(share), name)) {
            line class="axis" x1=(fixed(x)) y1="4" x2=(fixed(x)) y2=(fixed(bottom)) {}
            text class="small" x=(fixed(x)) y=(fixed(bottom + 15.0)) text-anchor="middle" { (name) }
        }
    }
}

/// A lane a rank, the culprits first.
fn single(lanes: &[Lane], culprits: &[i64], axis: &Axis) -> Markup {
    let mut order: Vec<&Lane> = lanes.iter().collect();
    order.sort_by_key(|lane| (lane.rank.is_some(), !is_of(lane, culprits), lane.rank));
    let bottom = 8.0 + order.len() as f64 * LANE;
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (fixed(bottom + 24.0)) } width=(WIDTH) role="img" aria-label="One lane a rank" {
            (grid(axis, bottom))
            @for (at, lane) in order.iter().enumerate() {
                (draw_lane(lane, is_of(lane, culprits), 8.0 + (at as f64 + 0.5) * LANE, axis))
            }
        }
    }
}

fn draw_lane(lane: &Lane, culprit: bool, y: f64, axis: &Axis) -> Markup {
    let name = match &lane.node {
        Some(node) => format!("{} {node}", lane.name),
        None => lane.name.clone(),
    };
    html! {
        g {
            title { (tooltip(lane)) }
            text class=(if culprit { "name" } else { "" }) x=(fixed(LEFT - 8.0)) y=(fixed(y + 4.5)) text-anchor="end" { (shortened(&name)) }
            line class="lane" x1=(fixed(LEFT)) y1=(fixed(y)) x2=(fixed(WIDTH - RIGHT)) y2=(fixed(y)) {}
        }
        @for moment in &lane.moments {
            @if let (Some(x), Some(mark)) = (axis.share(moment).map(across), Mark::of(moment.says, moment.cause)) {
                g class=(if axis.timed && moment.about { "about" } else { "" }) {
                    title { (told(lane, moment)) }
                    (mark.draw(x, y, 6.0))
                }
            }
        }
    }
}

/// The name of a lane, cut to the room that there is.
fn shortened(name: &str) -> String {
    const MOST: usize = 21;
    match name.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}

fn tooltip(lane: &Lane) -> String {
    let node = lane.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    let step = lane.last_step.map(|step| format!(", last step {step}")).unwrap_or_default();
    format!("{}{node}{step}", lane.name)
}

fn told(lane: &Lane, moment: &Moment) -> String {
    let time = match (&moment.time, moment.about) {
        (Some(time), _) => format!(", {time}"),
        (None, true) => ", the time of a line before".to_owned(),
        _ => String::new(),
    };
    let place = format!("{} line {}", moment.source, moment.line);
    format!("{}: {} ({place}{time})", tooltip(lane), moment.kind.replace(['.', '_'], " "))
}

/// Bands of ranks by cells of time; each cell tells the worst of what happened in it.
fn bands(lanes: &[Lane], culprits: &[i64], axis: &Axis) -> Markup {
    let hosts = lanes.iter().filter(|lane| lane.rank.is_none()).take(MOST_CULPRITS);
    let named = lanes.iter().filter(|lane| is_of(lane, culprits)).take(MOST_CULPRITS);
    let named: Vec<&Lane> = hosts.chain(named).collect();
    let lanes: Vec<&Lane> = ranks(lanes).collect();
    let size = lanes.len().div_ceil(BANDS);
    let top = 8.0 + named.len() as f64 * LANE + if named.is_empty() { 0.0 } else { 10.0 };
    let groups: Vec<&[&Lane]> = lanes.chunks(size).collect();
    let bottom = top + groups.len() as f64 * BAND;
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (fixed(bottom + 24.0)) } width=(WIDTH) role="img" aria-label="Bands of ranks" {
            (grid(axis, bottom))
            @for (at, lane) in named.iter().enumerate() {
                (draw_lane(lane, lane.rank.is_some(), 8.0 + (at as f64 + 0.5) * LANE, axis))
            }
            @for (at, group) in groups.iter().enumerate() { (band(group, top + at as f64 * BAND, axis)) }
        }
    }
}

fn band(group: &[&Lane], top: f64, axis: &Axis) -> Markup {
    let rank = |lane: Option<&&Lane>| lane.and_then(|lane| lane.rank).unwrap_or_default();
    let (first, last) = (rank(group.first()), rank(group.last()));
    let name = format!("ranks {first} to {last}");
    let mut cells: BTreeMap<usize, Vec<Mark>> = BTreeMap::new();
    for moment in group.iter().flat_map(|lane| &lane.moments) {
        let (Some(share), Some(mark)) = (axis.share(moment), Mark::of(moment.says, moment.cause)) else { continue };
        cells.entry(((share * CELLS as f64) as usize).min(CELLS - 1)).or_default().push(mark);
    }
    html! {
        text class="small" x=(fixed(LEFT - 8.0)) y=(fixed(top + BAND - 4.0)) text-anchor="end" { (name) }
        line class="lane" x1=(fixed(LEFT)) y1=(fixed(top + BAND - 0.5)) x2=(fixed(WIDTH - RIGHT)) y2=(fixed(top + BAND - 0.5)) {}
        @for (cell, marks) in cells { (draw_cell(cell, &marks, group.len(), &name, top)) }
    }
}

/// A cell: full height for failures, three quarters for those ended, half for steps; fainter where few ranks are meant.
fn draw_cell(cell: usize, marks: &[Mark], ranks: usize, name: &str, top: f64) -> Markup {
    let wide = (WIDTH - LEFT - RIGHT - 20.0) / CELLS as f64;
    let Some(worst) = marks.iter().max().copied() else { return html! {} };
    let count = marks.iter().filter(|mark| **mark == worst).count();
    let share = (count as f64 / ranks.max(1) as f64).clamp(0.0, 1.0);
    let height = match worst {
        Mark::Cause | Mark::Failure => BAND - 2.0,
        Mark::Teardown => (BAND - 2.0) * 0.7,
        _ => (BAND - 2.0) * 0.4,
    };
    let meant = LEGEND.iter().find(|(mark, _)| *mark == worst).map_or("", |(_, meant)| meant);
    let x = LEFT + 10.0 + cell as f64 * wide;
    html! {
        g opacity=(fixed(0.35 + 0.65 * share)) {
            title { (name) ": " (meant) ", " (words::count(count as u64, "time")) }
            @if worst == Mark::Cause {
                (worst.draw(x + wide / 2.0, top + BAND / 2.0 - 1.0, 5.0))
            } @else {
                rect class=(worst.class()) x=(fixed(x + 0.5)) y=(fixed(top + BAND - 1.0 - height)) width=(fixed(wide - 1.0)) height=(fixed(height)) {}
            }
        }
    }
}

/// The markers that occur, with what they mean.
fn legend(lanes: &[Lane], timed: bool) -> Markup {
    let moments = || lanes.iter().flat_map(|lane| &lane.moments);
    let used = |mark: Mark| moments().any(|moment| Mark::of(moment.says, moment.cause) == Some(mark));
    html! {
        ul class="legend" {
            @for (mark, meaning) in LEGEND.into_iter().filter(|(mark, _)| used(*mark)) {
                li { svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true" { (mark.draw(9.0, 9.0, 6.0)) } (meaning) }
            }
            @if timed && moments().any(|moment| moment.about) { li { "paler: the line prints no time, the one before it does" } }
        }
    }
}

fn fixed(number: f64) -> String {
    format!("{number:.1}")
}
