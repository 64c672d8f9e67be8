//! Zones, boot times, and how far clocks are apart.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use diag_parsers::Clock;

use super::shared::{self, Seen};
use super::{Lane, SECOND, Settled};
use crate::evidence::{RowId, Table, window};

/// Zones differ by multiples of this (Nepal, Chatham), in microseconds.
const ZONE_STEP: i64 = 15 * 60 * SECOND;

/// Zones reach from 12 hours west to 14 hours east.
const FURTHEST: i64 = 14 * 3600 * SECOND;

/// How far the times of two lines that stand together may be apart to tell a zone.
const TOGETHER: i64 = 90 * SECOND;

/// Clocks that differ by less are taken for the same: whole seconds, and a line that came late.
const ALIKE: i64 = 2 * SECOND;

/// Boot times by several lines of one source that differ by more contradict each other: a leap of the clock, or two boots.
const SAME_BOOT: i64 = 30 * SECOND;

/// What an event tells about two lanes: `second` less `first` is between the bounds, and most likely `likely`.
struct Edge {
    other: usize,
    low: i64,
    high: i64,
    likely: i64,
    rows: [RowId; 2],
}

/// Settles how each lane's times are moved onto the axis.
pub(super) fn offsets(table: &Table, lanes: &mut [Lane]) {
    boots(table, lanes);
    let edges = edges(table, lanes);
    zones(table, lanes, &edges);
    spread(table, lanes, &edges);
    alone(lanes);
}

/// Boot times that a line of the kernel tells: what the wall clock was.
fn boots(table: &Table, lanes: &mut [Lane]) {
    for lane in lanes.iter_mut().filter(|lane| lane.clock == Clock::Monotonic) {
        let told = lane.rows.iter().filter_map(|(row, base)| {
            let epoch = table.rows[*row].fields.int("epoch")?;
            Some((epoch.checked_mul(SECOND)? - base, *row))
        });
        let told: Vec<(i64, RowId)> = told.collect();
        let (Some(first), Some(last)) = (told.iter().min(), told.iter().max()) else { continue };
        lane.offset = last.0;
        lane.told_by = vec![last.1];
        if last.0 - first.0 > SAME_BOOT {
            (lane.settled, lane.slack) = (Settled::Contradictory, last.0 - first.0);
        } else {
            (lane.settled, lane.slack) = (Settled::Boot, SECOND);
        }
    }
}

/// For each lane, what events tell about it and another.
fn edges(table: &Table, lanes: &[Lane]) -> Vec<Vec<Edge>> {
    let mut lane_of: HashMap<RowId, (usize, i64)> = HashMap::new();
    for (at, lane) in lanes.iter().enumerate() {
        lane_of.extend(lane.rows.iter().map(|(row, base)| (*row, (at, *base))));
    }
    let mut edges: Vec<Vec<Edge>> = lanes.iter().map(|_| Vec::new()).collect();
    for Seen { first, second, typical, most } in shared::events(table) {
        let (Some((a, mine)), Some((b, theirs))) = (lane_of.get(&first), lane_of.get(&second)) else { continue };
        let (typical, most) = ((typical * 1e6) as i64, (most * 1e6) as i64);
        // second + its offset = first + its offset + delay
        let apart = mine - theirs;
        let (low, high, likely) = (apart - ALIKE, apart + most + ALIKE, apart + typical);
        edges[*a].push(Edge { other: *b, low, high, likely, rows: [first, second] });
        edges[*b].push(Edge { other: *a, low: -high, high: -low, likely: -likely, rows: [first, second] });
    }
    one_clock(lanes, &mut edges);
    edges
}

/// What one source prints without a zone, with and without year or day, is of one clock.
fn one_clock(lanes: &[Lane], edges: &mut [Vec<Edge>]) {
    for at in 1..lanes.len() {
        let before = at - 1;
        let alike = lanes[before].source == lanes[at].source && lanes[before].is_civil() && lanes[at].is_civil();
        if let (true, Some(first), Some(second)) = (alike, lanes[before].rows.first(), lanes[at].rows.first()) {
            let edge = |other| Edge { other, low: -ALIKE, high: ALIKE, likely: 0, rows: [first.0, second.0] };
            edges[before].push(edge(at));
            edges[at].push(edge(before));
        }
    }
}

/// Zones of lanes that print none.
fn zones(table: &Table, lanes: &mut [Lane], edges: &[Vec<Edge>]) {
    let absolute = |lane: &Lane| lane.clock == Clock::Utc || lane.settled == Settled::Boot;
    let any = lanes.iter().any(absolute);
    for lane in lanes.iter_mut().filter(|lane| lane.clock == Clock::Utc) {
        lane.settled = Settled::Printed;
    }
    let mut known: BTreeMap<usize, i64> = BTreeMap::new();
    for at in (0..lanes.len()).filter(|at| any && lanes[*at].is_civil()) {
        let beside = lanes.iter().find(|lane| lane.source == lanes[at].source && lane.clock == Clock::Utc);
        let by_lines = beside.and_then(|utc| together(table, utc, &lanes[at]));
        let shared = || {
            edges[at]
                .iter()
                .find(|edge| absolute(&lanes[edge.other]))
                .map(|edge| -edge.likely + lanes[edge.other].offset)
        };
        if let Some(zone) = by_lines.or_else(shared).and_then(zone) {
            known.insert(at, zone);
        }
    }
    let zones: BTreeSet<i64> = known.values().copied().collect();
    let common = if zones.len() == 1 { zones.first().copied() } else { None };
    for (at, lane) in lanes.iter_mut().enumerate().filter(|(_, lane)| lane.is_civil()) {
        let told = known.get(&at).copied().or(common);
        lane.offset = told.unwrap_or_default();
        lane.settled = match told {
            Some(_) => Settled::Zone,
            None if any => Settled::Assumed,
            None => Settled::Printed,
        };
    }
}

/// The offset of a zone that is nearest to one observed, where it is near one.
fn zone(observed: i64) -> Option<i64> {
    let steps = (observed as f64 / ZONE_STEP as f64).round() as i64;
    let zone = steps * ZONE_STEP;
    ((observed - zone).abs() <= TOGETHER && zone.abs() <= FURTHEST).then_some(zone)
}

/// How much later a zoned clock is than a civil one, by lines of one source that stand together.
fn together(table: &Table, utc: &Lane, civil: &Lane) -> Option<i64> {
    /// Most lines looked at.
    const MOST: usize = 200;
    let mut told: Vec<(u64, i64)> = utc.rows.iter().map(|(row, at)| (table.rows[*row].line, *at)).collect();
    told.sort_unstable();
    let mut zones: BTreeMap<i64, usize> = BTreeMap::new();
    for (row, base) in civil.rows.iter().take(MOST) {
        let line = table.rows[*row].line;
        let next = told.partition_point(|(at, _)| *at < line);
        let near = [next.checked_sub(1), Some(next)].into_iter().flatten().filter_map(|at| told.get(at));
        for zone in near.filter_map(|(_, at)| zone(at - base)) {
            *zones.entry(zone).or_default() += 1;
        }
    }
    zones.into_iter().max_by_key(|(_, count)| *count).map(|(zone, _)| zone)
}

/// From the lane that most is told of outwards: clocks that differ are set right, boot times are worked out.
fn spread(table: &Table, lanes: &mut [Lane], edges: &[Vec<Edge>]) {
    let of_job = window::is_of_job(table);
    let weight = |at: usize| (of_job[lanes[at].source], lanes[at].rows.len());
    let mut order: Vec<usize> = (0..lanes.len()).filter(|at| !edges[*at].is_empty()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(weight(*at)));
    let mut reached: BTreeSet<usize> = BTreeSet::new();
    let mut open: VecDeque<usize> = VecDeque::new();
    for root in order {
        if lanes[root].settled == Settled::Alone || !reached.insert(root) {
            continue;
        }
        open.push_back(root);
        while let Some(from) = open.pop_front() {
            let others: BTreeSet<usize> = edges[from].iter().map(|edge| edge.other).collect();
            for other in others.into_iter().filter(|other| !reached.contains(other)).collect::<Vec<_>>() {
                let told: Vec<&Edge> = edges[from].iter().filter(|edge| edge.other == other).collect();
                let base = (lanes[from].offset, lanes[from].slack);
                correct(&mut lanes[other], &told, base);
                reached.insert(other);
                open.push_back(other);
            }
        }
    }
}

/// Sets a lane right by what events tell of it and a lane with this offset and slack.
fn correct(lane: &mut Lane, told: &[&Edge], (offset, slack): (i64, i64)) {
    let low = told.iter().map(|edge| offset + edge.low).max().unwrap_or_default();
    let high = told.iter().map(|edge| offset + edge.high).min().unwrap_or_default();
    let mut likely: Vec<i64> = told.iter().map(|edge| offset + edge.likely).collect();
    likely.sort_unstable();
    let likely = likely[likely.len() / 2];
    let fits = (low - slack..=high + slack).contains(&lane.offset);
    let zone = zone(likely - lane.offset).filter(|zone| lane.is_civil() && *zone != 0);
    let width = (high - low) / 2 + slack;
    let (settled, offset, slack) = match lane.settled {
        _ if low > high => (Settled::Contradictory, likely, low - high + slack),
        Settled::Alone => (Settled::Shared, likely, width),
        Settled::Assumed if fits => (Settled::Zone, lane.offset, 0),
        _ if fits => return,
        Settled::Printed | Settled::Assumed if zone.is_some() => {
            (Settled::Zone, lane.offset + zone.unwrap_or_default(), 0)
        }
        _ => (Settled::Offset, likely, width),
    };
    (lane.settled, lane.offset, lane.slack) = (settled, offset, slack);
    lane.told_by = told.iter().flat_map(|edge| edge.rows).take(4).collect();
}

/// Seconds since boot are an axis where nothing else tells a time.
fn alone(lanes: &mut [Lane]) {
    let sources: BTreeSet<usize> = lanes.iter().map(|lane| lane.source).collect();
    if sources.len() == 1
        && let [only] = lanes
        && only.settled == Settled::Alone
    {
        only.settled = Settled::Printed;
    }
}
