//! Lines of the driver as signs of a GPU's fault.

use diag_parsers::Stamp;

use super::nvlink5::Meaning;
use super::place::Place;
use super::policy::{Policy, Rule, Which, seconds};
use crate::evidence::{RowId, Table};

/// Kinds of row that are signs.
pub(super) const KINDS: [&str; 18] = [
    "kernel.xid",
    "kernel.xid_cleanup",
    "kernel.xid_note",
    "kernel.gpu_lost",
    "kernel.gsp_timeout",
    "kernel.init_failed",
    "kernel.probe_failed",
    "kernel.uvm_fatal",
    "kernel.sxid_fatal",
    "kernel.sxid",
    "kernel.amd_page_fault",
    "kernel.amd_memory_failed",
    "kernel.amd_hang",
    "cuda.amd_hang",
    "kubernetes.device_xid",
    "kubernetes.exporter_xid",
    "probe.kernel.xid",
    "probe.kernel.gpu_lost",
];

/// Writers are not synchronised: a consequence may stand so many seconds before its cause.
const EARLY: f64 = 10.0;

/// The same in lines, where no time is told.
const EARLY_LINES: u64 = 5;

/// A line of the driver, with what the policy says of it.
#[derive(Debug)]
pub(super) struct Sign<'p> {
    pub(super) row: RowId,
    pub(super) node: String,
    /// Which life of the node it belongs to.
    pub(super) boot: usize,
    pub(super) gpu: Place,
    pub(super) xid: Option<i64>,
    pub(super) rule: &'p Rule,
    /// What the registers ask for, where they tell.
    pub(super) action: Option<String>,
    /// What the driver asks for (Xid 154).
    pub(super) verdict: Option<String>,
    kind: &'static str,
    source: usize,
    line: u64,
    at: Option<Stamp>,
}

/// The signs of a table, in the order of their rows.
pub(super) fn signs<'p>(table: &Table, policy: &'p Policy) -> Vec<Sign<'p>> {
    let mut rows: Vec<RowId> = KINDS.into_iter().flat_map(|kind| table.of_kind(kind)).copied().collect();
    rows.sort_unstable();
    let boots: Vec<(usize, u64)> = table
        .of_kind("host_hardware.boot")
        .iter()
        .map(|row| (table.rows[*row].source, table.rows[*row].line))
        .collect();
    let mut all: Vec<Sign<'p>> = rows.into_iter().filter_map(|row| sign(table, policy, row, &boots)).collect();
    all.sort_by_key(|sign| (sign.source, sign.line));
    name_the_lost(&mut all);
    all
}

fn sign<'p>(table: &Table, policy: &'p Policy, id: RowId, boots: &[(usize, u64)]) -> Option<Sign<'p>> {
    let row = &table.rows[id];
    let fields = &row.fields;
    let xid = fields.int("xid");
    let kind = match (row.kind, fields.text("code")) {
        // The first number of three says what failed: 0x62 is the start of the firmware (RM_INIT_FIRMWARE_INIT_FAILED), and
        // 0x61 that there was none to start (open-gpu-kernel-modules 595.45.04 osinit.c).
        ("kernel.init_failed", Some(code)) if code.starts_with("0x62") => "kernel.gsp_init_failed",
        (kind, _) => kind,
    };
    let verdict = fields.text("action").filter(|_| xid == Some(154)).map(str::to_owned);
    if verdict.as_deref() == Some("None") {
        return None;
    }
    // Newer drivers name the error after which they tear a channel down.
    let caused = fields.int("previous");
    let mut rule = match caused.or(xid) {
        Some(xid) => policy.of_xid(xid)?,
        None => policy.of_sign(kind, fields.int("sxid"))?,
    };
    let meaning = xid.and_then(|xid| policy.nvlink5.decode(xid, fields.text("what")?));
    if let Some(Meaning { action, then }) = &meaning
        && action == "IGNORE"
    {
        // What the catalogue says to ignore is no more than the wake of something.
        rule = if then == "IGNORE" { policy.of_xid(45)? } else { policy.of_sign("nvlink5.note", None)? };
    }
    let action = meaning.map(|meaning| format!("{} ({})", meaning.action, meaning.then));
    let gpu = match (fields.text("gpu").or_else(|| fields.text("switch_pci")), fields.int("index")) {
        (Some(gpu), _) => Place::of(gpu),
        (None, Some(index)) => Place::Named(format!("#{index}")),
        (None, None) => Place::Unknown,
    };
    let boot = boots.iter().filter(|(source, line)| *source == row.source && *line <= row.line).count();
    let node = row.node().unwrap_or_default().to_owned();
    let (source, line, at) = (row.source, row.line, row.at);
    let xid = caused.or(xid);
    Some(Sign { row: id, node, boot, gpu, xid, rule, action, verdict, kind, source, line, at })
}

/// A line that names no GPU belongs to the GPU that the same rule speaks of beside it.
fn name_the_lost(signs: &mut [Sign<'_>]) {
    for at in 0..signs.len() {
        let nameless = matches!(&signs[at].gpu, Place::Unknown | Place::Named(_)) && signs[at].xid.is_none();
        if !nameless {
            continue;
        }
        let same = |other: &&Sign<'_>| {
            other.node == signs[at].node
                && other.boot == signs[at].boot
                && other.rule.fact == signs[at].rule.fact
                && matches!(other.gpu, Place::Pci(..))
        };
        if let Some(gpu) = signs.iter().find(same).map(|other| other.gpu.clone()) {
            signs[at].gpu = gpu;
        }
    }
}

impl Sign<'_> {
    /// Whether anything can follow from it.
    pub(super) fn explains(&self) -> bool {
        self.rule.fact.is_some() && !(self.rule.over.is_empty() && self.rule.over_node.is_empty())
    }

    /// Whether another sign follows from this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let named = |list: &[Which]| {
            list.iter().any(|which| match which {
                Which::Xid(xid) => other.xid == Some(*xid),
                Which::Kind(kind) => other.xid.is_none() && other.kind == kind,
            })
        };
        // The driver's verdict belongs to whatever it was passed on.
        let verdict = other.verdict.is_some() && self.gpu == other.gpu;
        let same = self.gpu == other.gpu && named(&self.rule.over);
        (verdict || same || named(&self.rule.over_node)) && self.precedes(other)
    }

    fn precedes(&self, other: &Self) -> bool {
        let most = seconds(&self.rule.within).unwrap_or(0.0);
        match (self.at, other.at) {
            (Some(mine), Some(theirs)) => match theirs.since(mine) {
                Some(after) => after >= -EARLY && after <= most,
                None => true,
            },
            _ if self.source == other.source => other.line + EARLY_LINES >= self.line,
            _ => true,
        }
    }
}
