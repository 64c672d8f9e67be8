//! What the tools of InfiniBand and RoCE say of ports: `ibstat`, `ibstatus`, `ibv_devinfo`, `rdma link`.
//!
//! A port that is down may never have had a cable. The ports of one host are compared: the few that are down where the many
//! are up, or all of them.

mod listing;
#[cfg(test)]
mod tests;

use crate::console;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

use listing::{Port, Tool};

/// The ports of a host.
#[derive(Debug)]
pub struct Ports;

/// A port is down where it should be up. Fields: `hca`, `port`, `state`, `physical`, `link`.
const DOWN: Name = "infiniband.port_down";
/// A port is up and has no subnet: no subnet manager answers it. The same fields.
const NO_SUBNET: Name = "infiniband.no_subnet";
/// A port is slower than others of its kind. Fields: `hca`, `port`, `rate`, `rate_best` (Gb/s).
const SLOW: Name = "infiniband.port_slow";
/// A port is down, as one without a cable is.
const UNUSED: Name = "infiniband.port_unused";

/// Ports that are up for each that is down, where the latter counts as failed.
const UP_FOR_EACH_DOWN: usize = 3;

/// The same for Ethernet ports, of which servers have spare ones.
const UP_FOR_EACH_DOWN_ETHERNET: usize = 7;

impl Grammar for Ports {
    fn kinds(&self) -> &'static [Name] {
        &[DOWN, NO_SUBNET, SLOW, UNUSED]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            DOWN => "A port of an adapter is down where the others are up.",
            NO_SUBNET => "A port has a link and no subnet: no subnet manager has set it up.",
            SLOW => "A port runs at a lower rate than others of its kind.",
            UNUSED => "A port of an adapter is down, as one without a cable is.",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["CA type: ", "Infiniband device '", "hca_id:", " physical_state "]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let Some(tool) = Tool::of(&cursor.line.str()) else { return };
        // The list is read from its first adapter on.
        if cursor.preceding().take(listing::MOST_APART).any(|line| Tool::of(&line.str()) == Some(tool)) {
            return;
        }
        let ports = listing::read(cursor, tool);
        let teller = Teller { cursor, node: console::host(cursor) };
        for port in &ports {
            teller.judge(port, &ports, out);
        }
    }
}

struct Teller<'a, 'c> {
    cursor: &'c Cursor<'a>,
    node: Option<String>,
}

impl Teller<'_, '_> {
    fn judge(&self, port: &Port<'_>, all: &[Port<'_>], out: &mut Vec<Event>) {
        let Some((line, state)) = &port.state else { return };
        let state = state.to_ascii_lowercase();
        let physical = port.physical.as_ref().map(|(_, text)| text.as_str()).unwrap_or_default();
        let (up, down) = census(port, all);
        if state.contains("down") {
            let each = if port.is_ethernet() { UP_FOR_EACH_DOWN_ETHERNET } else { UP_FOR_EACH_DOWN };
            let none_up = up == 0 && !port.is_ethernet();
            let kind = if none_up || down * each <= up { DOWN } else { UNUSED };
            let says = if kind == DOWN { Says::Warning } else { Says::Info };
            self.push(line, kind, says, self.fields(port, &state, physical), out);
        } else if state.contains("init") && !port.is_ethernet() {
            self.push(line, NO_SUBNET, Says::Warning, self.fields(port, &state, physical), out);
        } else {
            self.rate(port, all, out);
        }
    }

    fn rate(&self, port: &Port<'_>, all: &[Port<'_>], out: &mut Vec<Event>) {
        let (Some((line, rate)), Some(model)) = (&port.rate, &port.model) else { return };
        let alike = all.iter().filter(|other| other.model.as_ref() == Some(model) && other.layer == port.layer);
        let rates: Vec<f64> = alike.filter_map(|other| other.rate.as_ref().map(|(_, rate)| *rate)).collect();
        let best = rates.iter().copied().fold(0.0, f64::max);
        let slower = rates.iter().filter(|other| **other < best).count();
        if *rate < best && slower * UP_FOR_EACH_DOWN <= rates.len() - slower {
            let mut fields = self.fields(port, "active", "");
            fields.set("rate", crate::Value::Float(*rate));
            fields.set("rate_best", crate::Value::Float(best));
            self.push(line, SLOW, Says::Warning, fields, out);
        }
    }

    fn fields(&self, port: &Port<'_>, state: &str, physical: &str) -> Fields {
        let mut fields = Fields::default();
        fields.set("hca", port.hca.as_str());
        fields.set("port", port.number);
        fields.set("state", state);
        for (name, value) in [("physical", physical), ("link", port.layer.as_str())] {
            if !value.is_empty() {
                fields.set(name, value);
            }
        }
        if let Some(node) = &self.node {
            fields.set("node", node.as_str());
        }
        fields
    }

    fn push(&self, line: &Line<'_>, kind: Name, says: Says, fields: Fields, out: &mut Vec<Event>) {
        out.push(Event::on(self.cursor, line, kind, says, fields));
    }
}

/// How many ports of the same link layer are up and down.
fn census(port: &Port<'_>, all: &[Port<'_>]) -> (usize, usize) {
    let alike = || all.iter().filter(|other| other.is_ethernet() == port.is_ethernet());
    let is = |other: &&Port<'_>, word: &str| {
        other.state.as_ref().is_some_and(|(_, state)| state.to_ascii_lowercase().contains(word))
    };
    (alike().filter(|other| is(other, "active")).count(), alike().filter(|other| is(other, "down")).count())
}
