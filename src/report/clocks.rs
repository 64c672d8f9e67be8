//! How the clocks of the inputs came onto one axis, in words.

use std::collections::HashSet;

use diag_parsers::Clock;

use super::{ClockFacts, Evidence, words};
use crate::evidence::{Lane, RowId, Settled, Table};

/// Most inputs whose clocks are told.
const MOST: usize = 64;

/// The lanes that needed more than reading what they print, those that are least sure first.
pub(super) fn told(table: &Table, cite: &mut dyn FnMut(RowId) -> Evidence) -> Vec<ClockFacts> {
    let several = table.clocks.iter().any(|lane| lane.source != table.clocks[0].source);
    let mut lanes: Vec<&Lane> = table.clocks.iter().filter(|lane| several && is_news(lane)).collect();
    lanes.sort_by_key(|lane| (rank(lane.settled), lane.source));
    let mut seen = HashSet::new();
    lanes.retain(|lane| seen.insert((lane.source, sentence(lane))));
    let fact = |lane: &Lane| ClockFacts {
        source: table.sources[lane.source].clone(),
        clock: lane.clock,
        settled: lane.settled,
        offset_s: lane.offset as f64 / 1e6,
        slack_s: lane.slack as f64 / 1e6,
        what: sentence(lane),
        told_by: lane.told_by.iter().map(|row| cite(*row)).collect(),
    };
    lanes.into_iter().take(MOST).map(fact).collect()
}

fn is_news(lane: &Lane) -> bool {
    match lane.settled {
        Settled::Printed => false,
        Settled::Zone => lane.offset != 0,
        _ => true,
    }
}

fn rank(settled: Settled) -> u8 {
    match settled {
        Settled::Contradictory => 0,
        Settled::Alone => 1,
        Settled::Offset => 2,
        Settled::Assumed => 3,
        Settled::Shared | Settled::Boot => 4,
        Settled::Zone | Settled::Printed => 5,
    }
}

fn sentence(lane: &Lane) -> String {
    let offset = words::span(lane.offset.abs() as f64 / 1e6);
    let slack = words::span(lane.slack as f64 / 1e6);
    let give = if lane.slack > 0 { format!(", give or take {slack}") } else { String::new() };
    let way = if lane.offset > 0 { "behind" } else { "ahead" };
    match lane.settled {
        Settled::Printed => "as printed".to_owned(),
        Settled::Zone => format!("prints no zone; its clock is {offset} {way} of UTC", way = zone_way(lane.offset)),
        Settled::Assumed => "prints no zone, and nothing tells it: taken for UTC".to_owned(),
        Settled::Offset => format!("its clock runs {offset} {way}{give}, by events that another input saw too"),
        Settled::Boot => "counts seconds since boot; a line tells when that was".to_owned(),
        Settled::Shared => format!("counts seconds since boot; placed by events that another input saw too{give}"),
        Settled::Contradictory => {
            format!(
                "events that another input saw too disagree about its clock by {slack}: its order against others is open"
            )
        }
        Settled::Alone => match lane.clock {
            Clock::Monotonic => {
                "counts seconds since boot, and nothing tells when that was: ordered within itself only"
            }
            _ => "its times compare with no other input's",
        }
        .to_owned(),
    }
}

/// A clock whose times have to be moved forward to become UTC is that of a place in the west.
fn zone_way(offset: i64) -> &'static str {
    if offset > 0 { "behind" } else { "ahead" }
}
