//! The lists of ports, read to one shape.
//!
//! Shapes: rdma-core v50 `infiniband-diags/ibstat.c`, `scripts/ibstatus`, `libibverbs/examples/devinfo.c`;
//! iproute2 6.1 `rdma/link.c`.

use crate::line::{Cursor, Line};

/// Lines of an adapter: where the next begins no further on, the list goes on.
pub(super) const MOST_APART: usize = 60;

/// Lines of a list: 32 adapters.
const MOST_LINES: usize = 32 * MOST_APART;

/// Who printed a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    /// `ibstat`.
    Ibstat,
    /// `ibstatus`.
    Ibstatus,
    /// `ibv_devinfo`.
    Devinfo,
    /// `rdma link`: a line a port.
    Rdma,
}

impl Tool {
    /// The tool whose adapters begin with such a line.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        match () {
            () if text.starts_with("CA type: ") => Some(Self::Ibstat),
            () if text.starts_with("Infiniband device '") => Some(Self::Ibstatus),
            () if text.starts_with("hca_id:") => Some(Self::Devinfo),
            () if text.starts_with("link ") && text.contains(" physical_state ") => Some(Self::Rdma),
            () => None,
        }
    }
}

/// A port; each value with the line on which it stands.
#[derive(Debug, Default)]
pub(super) struct Port<'a> {
    pub(super) hca: String,
    pub(super) number: i64,
    pub(super) model: Option<String>,
    pub(super) state: Option<(Line<'a>, String)>,
    pub(super) physical: Option<(Line<'a>, String)>,
    pub(super) rate: Option<(Line<'a>, f64)>,
    pub(super) layer: String,
}

impl Port<'_> {
    pub(super) fn is_ethernet(&self) -> bool {
        self.layer == "Ethernet"
    }
}

/// Reads the list that begins at the cursor.
pub(super) fn read<'a>(cursor: &Cursor<'a>, tool: Tool) -> Vec<Port<'a>> {
    let mut reading = Reading { tool, hca: String::new(), model: None, ports: Vec::new() };
    // ibstat names the adapter on the line before the first that is sure to be its.
    let before = cursor.preceding().next().filter(|_| tool == Tool::Ibstat);
    let mut apart = 0;
    for line in
        before.into_iter().chain(std::iter::once(cursor.line.clone())).chain(cursor.following()).take(MOST_LINES)
    {
        let text = line.str().trim().to_owned();
        apart = if Tool::of(&text) == Some(tool) { 0 } else { apart + 1 };
        if apart > MOST_APART || text.contains("$ ") || text.contains("# ") {
            break;
        }
        reading.line(line, &text);
    }
    reading.ports
}

struct Reading<'a> {
    tool: Tool,
    hca: String,
    model: Option<String>,
    ports: Vec<Port<'a>>,
}

impl<'a> Reading<'a> {
    fn line(&mut self, line: Line<'a>, text: &str) {
        if let Some(hca) = text.strip_prefix("CA '") {
            self.hca = hca.trim_end_matches('\'').to_owned();
            return;
        }
        if self.tool == Tool::Rdma {
            self.rdma(line, text);
            return;
        }
        if let Some(rest) = text.strip_prefix("Infiniband device '") {
            self.device(rest);
            return;
        }
        let Some((key, value)) = text.split_once(':') else { return };
        let (key, value) = (key.trim().to_ascii_lowercase().replace(' ', "_"), value.trim());
        match key.as_str() {
            "hca_id" => self.hca = value.to_owned(),
            "ca_type" | "vendor_part_id" => self.model = Some(value.to_owned()),
            "port" if self.tool == Tool::Devinfo => self.port(value),
            _ if self.tool == Tool::Ibstat && key.starts_with("port_") && value.is_empty() => self.port(&key[5..]),
            _ => self.value(line, &key, value),
        }
    }

    /// `mlx5_0' port 1 status:`.
    fn device(&mut self, rest: &str) {
        let Some((hca, rest)) = rest.split_once('\'') else { return };
        hca.clone_into(&mut self.hca);
        let number = rest.split_whitespace().nth(1).unwrap_or("1");
        self.port(number);
    }

    /// `link mlx5_7/1 subnet_prefix … state DOWN physical_state POLLING netdev ib7`; RoCE has no subnet.
    fn rdma(&mut self, line: Line<'a>, text: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let behind = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1)).copied();
        let (Some((hca, number)), Some(state)) =
            (behind("link").and_then(|name| name.split_once('/')), behind("state"))
        else {
            return;
        };
        hca.clone_into(&mut self.hca);
        self.port(number);
        if let Some(port) = self.ports.last_mut() {
            port.physical = behind("physical_state").map(|physical| (line.clone(), physical.to_owned()));
            port.state = Some((line, state.to_owned()));
            if behind("subnet_prefix").is_some() { "InfiniBand" } else { "Ethernet" }.clone_into(&mut port.layer);
        }
    }

    fn port(&mut self, number: &str) {
        let number = number.parse().unwrap_or(1);
        self.ports.push(Port { hca: self.hca.clone(), number, model: self.model.clone(), ..Port::default() });
    }

    fn value(&mut self, line: Line<'a>, key: &str, value: &str) {
        let Some(port) = self.ports.last_mut() else { return };
        match key {
            "state" => port.state = Some((line, value.to_owned())),
            "physical_state" | "phys_state" => port.physical = Some((line, value.to_owned())),
            "rate" => port.rate = value.split(' ').next().and_then(|rate| rate.parse().ok()).map(|rate| (line, rate)),
            "link_layer" => value.clone_into(&mut port.layer),
            _ => {}
        }
    }
}
