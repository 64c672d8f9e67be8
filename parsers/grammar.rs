//! Records of several lines, and lines too hot or too odd for a regex: grammars written in Rust.

use crate::event::{Event, Fields, Name, Says};
use crate::line::{Cursor, Line, text_of};

/// A reader of records that a single regex can't read.
///
/// The scanner calls [`Grammar::read`] for each line that holds one of the anchors; the grammar may look
/// at the lines around it through the cursor.
pub trait Grammar: Sync {
    /// The kinds of event it makes.
    fn kinds(&self) -> &'static [Name];
    /// What a kind means, in one sentence.
    fn about(&self, _kind: &str) -> Option<&'static str> {
        None
    }
    /// Literals of which one stands on the line where a record is recognised.
    fn anchors(&self) -> &'static [&'static str];
    /// The format whose signatures have nothing to add on a line that this grammar makes an event of.
    fn speaks_for(&self) -> Option<Name> {
        None
    }
    /// Whether it is asked only where every line is looked at: its anchors are too common for a long document.
    fn in_small_documents_only(&self) -> bool {
        false
    }
    /// Reads the record at the cursor; adds nothing where there is none.
    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>);
}

/// All grammars.
pub static GRAMMARS: &[&dyn Grammar] = &[
    &crate::console::Commands,
    &crate::dcgm::Diagnostic,
    &crate::dcgm::Links,
    &crate::dcgm::Results,
    &crate::dcgm::Watches,
    &crate::elastic::Summary,
    &crate::ethernet::Ports,
    &crate::health::Autopilot,
    &crate::health::Nhc,
    &crate::infiniband::Ports,
    &crate::jax::Absent,
    &crate::jax::Unhealthy,
    &crate::kernel::Lost,
    &crate::kubernetes::Alerts,
    &crate::kubernetes::Allocatable,
    &crate::kubernetes::Described,
    &crate::kubernetes::CutConditions,
    &crate::kubernetes::CutStates,
    &crate::kubernetes::Taints,
    &crate::kubernetes::Rows,
    &crate::kubernetes::Exporter,
    &crate::kubernetes::HealthEvents,
    &crate::kubernetes::Objects,
    &crate::kubernetes::Lines,
    &crate::kubernetes::Pods,
    &crate::kubernetes::Tables,
    &crate::kubernetes::Manifests,
    &crate::kubernetes::Pieces,
    &crate::launcher::MissingRanks,
    &crate::lspci::Links,
    &crate::nvbandwidth::Rates,
    &crate::nvidia_smi::Csv,
    &crate::nvidia_smi::Links,
    &crate::nvidia_smi::Matrix,
    &crate::nvidia_smi::Monitor,
    &crate::nvidia_smi::Query,
    &crate::nvidia_smi::Table,
    &crate::nvidia_smi::Xmls,
    &crate::openmpi::Help,
    &crate::python::CutOff,
    &crate::python::Exceptions,
    &crate::python::Stacks,
    &crate::pbs::Nodes,
    &crate::pbs::Listed,
    &crate::pbs::Ended,
    &crate::scale::Members,
    &crate::sel::Entries,
    &crate::sel::Rows,
    &crate::slurm::Ended,
    &crate::slurm::Waiting,
    &crate::slurm::Checks,
    &crate::perftest::Results,
    &crate::slurm::Accounted,
    &crate::slurm::Records,
    &crate::slurm::Load,
    &crate::slurm::Fragments,
    &crate::slurm::Jobs,
    &crate::slurm::Nodes,
    &crate::slurm::Drains,
    &crate::slurm::BareReasons,
    &crate::slurm::Reasons,
    &crate::slurm::States,
    &crate::slurm::OutOfMemory,
    &crate::slurm::Summary,
    &crate::systemctl::Units,
    &crate::verbs::Completions,
];

impl Event {
    /// An event that stands on `line`; what the prefixes told is added to the fields.
    pub fn on(cursor: &Cursor<'_>, line: &Line<'_>, kind: Name, says: Says, mut fields: Fields) -> Self {
        line.context.fill(&mut fields);
        Self {
            kind,
            says,
            line: line.number,
            offset: cursor.offset(line),
            text: text_of(line.raw).into_owned(),
            at: line.context.at,
            fields,
        }
    }
}
