//! What stands beside a report and changes nothing of it: the site's own notes, and what a model said of the same evidence.

use diag_parsers::Catalogue;
use serde::{Deserialize, Serialize};

use super::{Evidence, Finding, Report};
use crate::diagnose::kind_fits;
use crate::evidence::{Row, Table};

/// What the site's people wrote down for whoever looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteNote {
    /// The file.
    pub source: String,
    /// Its lines, as many as are told.
    pub lines: Vec<String>,
    /// Whether there are more.
    pub cut: bool,
}

/// What a model said. Each claim cites lines that are there; the verdict is the rules'.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Advice {
    /// The model, as it is configured.
    pub model: String,
    /// Sentences with what they cite.
    pub claims: Vec<Claim>,
    /// Causes that the report holds equally sure, in the order in which it would look at them, where that is another one.
    pub order: Vec<String>,
    /// Of what the report proposes, the one that it would do next, in the report's words.
    pub next: Option<String>,
    /// Lines that it asked for and cites, which the report itself does not.
    pub evidence: Vec<Evidence>,
    /// What it said that is not told, and why.
    pub dropped: Vec<String>,
    /// Why the rules alone speak.
    pub failed: Option<String>,
    /// What it cost.
    pub spent: Spent,
}

/// A sentence of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The sentence.
    pub text: String,
    /// Ids of lines.
    pub cites: Vec<String>,
}

/// What a model cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// Requests, those that were tried again included.
    pub requests: u32,
    /// Tokens of questions and answers, as the server counts them or, where it does not, estimated.
    pub tokens: u64,
    /// Wall time in milliseconds.
    pub elapsed_ms: u64,
}

/// Lines of the evidence by kind (`*` as a wildcard) and node, each with an id of its own: `X1`, `X2`, … from `from` on.
pub fn lines(
    table: &Table,
    catalogue: &Catalogue,
    wanted: (&str, Option<&str>),
    from: usize,
    most: usize,
) -> Vec<Evidence> {
    let (kind, node) = wanted;
    let fits = |row: &&Row| kind_fits(kind, row.kind) && node.is_none_or(|node| row.node() == Some(node));
    let line = |(at, row): (usize, &Row)| Evidence::of(row, format!("X{}", from + at), table, catalogue);
    table.rows.iter().filter(fits).take(most).enumerate().map(line).collect()
}

impl Report {
    /// All lines that are cited, each once.
    #[must_use]
    pub fn cited(&self) -> Vec<&Evidence> {
        let mut all: Vec<&Evidence> = Vec::new();
        let found = self.findings.iter().flat_map(|finding| &finding.evidence);
        for one in found.chain(&self.unexplained).chain(&self.context) {
            if !all.iter().any(|other| other.id == one.id) {
                all.push(one);
            }
        }
        all
    }

    /// How somebody would order findings that are equally sure, by cause: empty where that is how the report has them. The report
    /// itself keeps its order, whatever is said, and what is diagnosed is no matter of opinion.
    #[must_use]
    pub fn preferred(&self, order: &[String]) -> Vec<String> {
        let decided = usize::from(self.outcome == super::Outcome::Diagnosed);
        let alike =
            |a: &Finding, b: &Finding| a.confidence == b.confidence && a.outside == b.outside && a.part == b.part;
        let open = self.findings.get(decided..).unwrap_or_default().chunk_by(alike).filter(|group| group.len() > 1);
        let place = |cause: &&String| order.iter().position(|one| one == *cause).unwrap_or(usize::MAX);
        let (mut told, mut preferred) = (Vec::new(), Vec::new());
        for group in open {
            let mut causes: Vec<&String> = group.iter().map(|finding| &finding.cause).collect();
            told.extend(causes.iter().copied());
            causes.sort_by_key(place);
            preferred.extend(causes);
        }
        if preferred == told { Vec::new() } else { preferred.into_iter().cloned().collect() }
    }
}
