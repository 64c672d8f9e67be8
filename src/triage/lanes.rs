//! The order of lanes: who is to blame first, then hosts and schedulers, then the other ranks, in bands where they are many.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::report::{Lane, Report};

/// Most other ranks that get a lane each.
const MOST_SINGLE: usize = 24;

/// Most lanes of those who are to blame that stand by themselves.
const MOST_CULPRITS: usize = 16;

/// About so many bands.
const BANDS: usize = 16;

/// Bands hold a multiple of so many ranks: nodes have eight GPUs, mostly.
const MULTIPLE: usize = 8;

/// One row of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// A lane, by its place in the report; whether it stands on top, for it is of who is to blame or tells of the cause.
    Lane(usize, bool),
    /// Many lanes, by their places.
    Band(Vec<usize>),
}

/// The rows; `open`: bands whose lanes stand below them, by their first lane.
pub(super) fn rows(report: &Report, open: &BTreeSet<usize>) -> Vec<Row> {
    let lanes = &report.timeline.lanes;
    let blamed = |lane: &Lane| is_blamed(report, lane);
    let caused = |lane: &Lane| lane.moments.iter().any(|moment| moment.cause);
    let places = |wanted: &dyn Fn(&Lane) -> bool| -> Vec<usize> {
        lanes.iter().enumerate().filter(|(_, lane)| wanted(lane)).map(|(at, _)| at).collect()
    };
    let mut first = places(&blamed);
    if first.is_empty() {
        first = places(&caused);
    }
    first.truncate(MOST_CULPRITS);
    let mut rows: Vec<Row> = first.iter().map(|at| Row::Lane(*at, true)).collect();
    let hosts = places(&|lane| lane.rank.is_none());
    rows.extend(hosts.iter().filter(|at| !first.contains(at)).map(|at| Row::Lane(*at, false)));
    let ranks: Vec<usize> = places(&|lane| lane.rank.is_some()).into_iter().filter(|at| !first.contains(at)).collect();
    if ranks.len() <= MOST_SINGLE {
        rows.extend(ranks.into_iter().map(|at| Row::Lane(at, false)));
        return rows;
    }
    for part in bands(lanes, &ranks) {
        let band = ranks[part].to_vec();
        let single = band.first().is_some_and(|at| open.contains(at));
        rows.push(Row::Band(band.clone()));
        rows.extend(band.into_iter().filter(|_| single).map(|at| Row::Lane(at, false)));
    }
    rows
}

/// Whether a lane is of a rank or host that the first finding blames.
pub(super) fn is_blamed(report: &Report, lane: &Lane) -> bool {
    let Some(own) = report.findings.first().map(|finding| &finding.culprit) else { return false };
    match lane.rank {
        Some(rank) => own.ranks.contains(&rank),
        None => own.nodes.contains(&lane.name),
    }
}

/// The parts of a list of lanes that make bands: ranks from a multiple to the next one.
fn bands(lanes: &[Lane], ranks: &[usize]) -> Vec<Range<usize>> {
    let size = ranks.len().div_ceil(BANDS).next_multiple_of(MULTIPLE);
    let number = |at: &usize| lanes[*at].rank.unwrap_or(0) / i64::try_from(size).unwrap_or(1);
    let mut parts = Vec::new();
    let mut from = 0;
    for at in 1..=ranks.len() {
        if at == ranks.len() || number(&ranks[at]) != number(&ranks[from]) {
            parts.push(from..at);
            from = at;
        }
    }
    parts
}
