//! Many nodes at once: a line for each that is not well, the worst first, and one for the rest.

use diag_parsers::hostlist;
use serde::Serialize;

use super::Look;
use crate::reading::{Reading, Verdict};
use crate::report::guard;
use crate::report::text::{Paper, Span, Tone};

/// Version of the JSON contract.
pub const SCHEMA: &str = "diag.nodes/1";

/// Columns of the verdict at the left.
const GUTTER: usize = 12;

/// Nodes, looked at or not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Nodes {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The most urgent verdict.
    pub verdict: Verdict,
    /// One a node, the worst first.
    pub nodes: Vec<Seen>,
}

/// What came of looking at one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// As it was asked for.
    pub node: String,
    /// The most urgent of its readings; unknown where none came.
    pub verdict: Verdict,
    /// Why nothing was read of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What was read of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
}

impl Nodes {
    /// Sorts them: the worst first, and of like ones by name.
    #[must_use]
    pub fn new(mut nodes: Vec<Seen>) -> Self {
        nodes.sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| a.node.cmp(&b.node)));
        let verdict = nodes.iter().map(|seen| seen.verdict).max().unwrap_or(Verdict::Unknown);
        Self { schema: SCHEMA, verdict, nodes }
    }

    /// Whether each of them was looked at, and none is worse than what could not be read.
    #[must_use]
    pub fn are_well(&self) -> bool {
        self.nodes.iter().all(|seen| seen.look.is_some() && seen.verdict < Verdict::Unknown)
    }

    /// One JSON object, indented, with a line end.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        let mut out = guard::escaped(&json).into_bytes();
        out.push(b'\n');
        out
    }

    /// For a terminal; a line for each node where `verbose`.
    #[must_use]
    pub fn text(&self, width: usize, colour: bool, verbose: bool) -> Vec<u8> {
        let mut paper = Paper::new(width, colour);
        let count = |verdict| self.nodes.iter().filter(|seen| seen.verdict == verdict).count();
        let parts = [Verdict::Bad, Verdict::Degraded, Verdict::Unknown, Verdict::CannotRun, Verdict::Ok];
        let parts = parts.iter().map(|verdict| (count(*verdict), verdict)).filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, verdict)| format!("{count} {}", verdict.word())).collect();
        let lead = [Span::new(self.verdict.word().to_uppercase(), tone(self.verdict))];
        let headline = format!("{} nodes: {}", self.nodes.len(), parts.join(", "));
        paper.flow(&lead, GUTTER, &[Span::new(headline, Tone::Strong)]);
        paper.blank();
        let (well, told): (Vec<&Seen>, Vec<&Seen>) =
            self.nodes.iter().partition(|seen| !verbose && seen.verdict == Verdict::Ok);
        told.into_iter().for_each(|seen| line(&mut paper, seen));
        if !well.is_empty() {
            let names: Vec<&str> = well.iter().map(|seen| seen.node.as_str()).collect();
            let text = format!("{} (each with -v)", hostlist::compress(&names));
            paper.flow(&[Span::new("ok", Tone::Good)], GUTTER, &[Span::new(text, Tone::Faint)]);
        }
        paper.finish().into_bytes()
    }
}

fn line(paper: &mut Paper, seen: &Seen) {
    let mut spans = vec![Span::new(&seen.node, Tone::Strong)];
    let why = seen.why.clone().or_else(|| seen.look.as_ref().and_then(worst_of));
    spans.extend(why.map(|why| Span::plain(format!(" {why}"))));
    paper.flow(&[Span::new(seen.verdict.word(), tone(seen.verdict))], GUTTER, &spans);
}

/// The worst reading of a node in words, and how many more are like it.
fn worst_of(look: &Look) -> Option<String> {
    let alike: Vec<&Reading> = look
        .readings
        .iter()
        .filter(|reading| reading.verdict == look.verdict && reading.verdict != Verdict::Ok)
        .collect();
    let first = alike.first()?;
    let of: Vec<&str> = first.of.values().map(String::as_str).collect();
    let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
    let why = first.why.as_deref().map_or_else(String::new, |why| format!(": {why}"));
    let more = if alike.len() > 1 { format!("; {} more", alike.len() - 1) } else { String::new() };
    Some(format!("{}.{}{of}{why}{more}", first.probe, first.name))
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Ok => Tone::Good,
        Verdict::Bad => Tone::Bad,
        Verdict::Degraded | Verdict::Unknown => Tone::Unsure,
        Verdict::CannotRun => Tone::Faint,
    }
}

#[cfg(test)]
mod tests {
    use super::{Nodes, Seen};
    use crate::reading::{Reading, Verdict};
    use crate::report::readings::Look;

    fn seen(node: &str, reading: Reading) -> Seen {
        let look = Look::new(node, "2026-01-01T00:00:00Z", 5, vec![reading]);
        Seen { node: node.to_owned(), verdict: look.verdict, why: None, look: Some(look) }
    }

    #[test]
    fn the_worst_node_stands_first_and_what_was_not_looked_at_is_not_well() {
        let lost = Reading::new("gpu", "answers").of("index", "3").found(Verdict::Bad, "fell off the bus\u{1b}[2J");
        let away =
            Seen { node: "gpu-18".into(), verdict: Verdict::Unknown, why: Some("unreachable".into()), look: None };
        let well = |node: &str| seen(node, Reading::new("gpu", "answers"));
        let nodes = Nodes::new(vec![well("gpu-1"), away.clone(), seen("gpu-17", lost), well("gpu-2")]);
        let text = String::from_utf8(nodes.text(100, false, false)).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines[0], "BAD         4 nodes: 1 bad, 1 unknown, 2 ok");
        assert!(lines[1].starts_with("bad         gpu-17 gpu.answers (3): fell off the bus"), "{text}");
        assert!(lines[2].starts_with("unknown     gpu-18 unreachable"), "{text}");
        assert!(lines[3].starts_with("ok          gpu-[1-2]"), "{text}");
        assert!(!text.contains('\u{1b}') && !nodes.are_well());
        assert!(!Nodes::new(vec![well("gpu-1"), away]).are_well());
        assert!(Nodes::new(vec![well("gpu-1")]).are_well());
    }
}
