//! What `diag test <sweep> --format json` found: which of many nodes is bad, by tests that ran on several at once.
//!
//! Shape, ours: `diag.sweep/1`. Only what the sweep itself decided is told as decided, and only where its own runs bear it out: a
//! node that it names makes `sweep.named`, with a partner that passed and the figure that its equals reach; what several share (a
//! path, a switch, a rail) makes `sweep.shared`, and blames no node; what stayed open, or was not tested, makes
//! `sweep.undecided`, which asks for an explanation: it is no health.

mod runs;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::MAX_FIELD;
use crate::document::{self, Place};
use crate::event::{Event, Fields, Name, Problem, Says, Value};
use crate::record::Record;
use runs::Runs;

/// The reader of these documents.
#[derive(Debug)]
pub struct Sweeps;

const NAMED: Name = "sweep.named";
const SHARED: Name = "sweep.shared";
const UNDECIDED: Name = "sweep.undecided";
const CLEAR: Name = "sweep.clear";

/// All kinds.
static KINDS: [Name; 4] = [NAMED, SHARED, UNDECIDED, CLEAR];

/// Most nodes that are told one by one as not decided.
const MOST_OPEN: usize = 64;

/// A sweep, as it is written.
#[derive(Deserialize)]
struct Sweep<'a> {
    #[serde(default)]
    test: String,
    outcome: String,
    #[serde(default, borrow)]
    named: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    open: Vec<&'a RawValue>,
    #[serde(default)]
    not_tested: Vec<String>,
    #[serde(default)]
    nodes: Vec<String>,
    #[serde(default)]
    rounds: Vec<Vec<runs::Run>>,
}

/// Somebody who is named.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    who: String,
    culprit: serde_json::Value,
    #[serde(default)]
    sure: f64,
    #[serde(default)]
    failed: i64,
    #[serde(default)]
    ran: i64,
    #[serde(default)]
    partners: i64,
    #[serde(default)]
    arms: Vec<String>,
    #[serde(default)]
    how: String,
}

/// What is not decided.
#[derive(Deserialize)]
struct Open {
    #[serde(default)]
    nodes: Vec<String>,
}

impl Record for Sweeps {
    fn kinds(&self) -> &'static [Name] {
        &KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            NAMED => "A sweep of tests found a node that is bad.",
            SHARED => "A sweep of tests found that something between nodes is bad.",
            UNDECIDED => "A sweep of tests did not decide on a node.",
            CLEAR => "A sweep of tests found no bad node.",
            _ => return None,
        })
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        document::has_schema(head, &["diag.sweep/"])
    }

    fn read(&self, data: &[u8], _: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        let (text, sweep): (&str, Sweep<'_>) = match document::json(data, "sweep of diag") {
            Ok(read) => read,
            Err(problem) => return vec![problem],
        };
        let teller = Teller { place: Place::of(text), runs: Runs::of(&sweep.rounds), whole: text, out };
        teller.tell(&sweep)
    }
}

struct Teller<'t, 'o> {
    place: Place<'t>,
    runs: Runs<'t>,
    whole: &'t str,
    out: &'o mut Vec<Event>,
}

impl Teller<'_, '_> {
    fn tell(mut self, sweep: &Sweep<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        match sweep.outcome.as_str() {
            "clear" => self.event(CLEAR, Says::Info, (self.whole, "outcome"), common(sweep)),
            "named" | "undetermined" => {
                for raw in &sweep.named {
                    problems.extend(self.named(sweep, raw));
                }
            }
            // Most tests fail, or none could be run: whoever is named then is not to blame.
            _ => self.undecided(sweep, (self.whole, "outcome"), &[], &sweep.outcome),
        }
        for raw in &sweep.open {
            let nodes = serde_json::from_str::<Open>(raw.get()).map(|open| open.nodes).unwrap_or_default();
            self.undecided(sweep, (raw.get(), "nodes"), &nodes, "tests fail, and not so that one is sure");
        }
        if !sweep.not_tested.is_empty() {
            self.undecided(sweep, (self.whole, "not_tested"), &sweep.not_tested, "the test could not be run there");
        }
        problems
    }

    /// One that is named; a problem where the document's own runs do not bear it out.
    fn named(&mut self, sweep: &Sweep<'_>, raw: &RawValue) -> Option<Problem> {
        let named: Named = serde_json::from_str(raw.get()).ok()?;
        let index = named.culprit.get("node").and_then(serde_json::Value::as_u64);
        let mut fields = common(sweep);
        fields.set("what", cut(&named.who));
        fields.set("failed", named.failed);
        fields.set("ran", named.ran);
        fields.set("sure", Value::Float((named.sure * 1000.0).round() / 10.0));
        fields.set("how", cut(&named.how));
        if !named.arms.is_empty() {
            fields.set("arms", cut(&named.arms.join(", ")));
        }
        let Some(index) = index else {
            self.event(SHARED, Says::Failure, (raw.get(), "who"), fields);
            return None;
        };
        let node = usize::try_from(index).ok().and_then(|at| sweep.nodes.get(at));
        let bears = |node: &&String| named.failed > 0 && named.failed <= named.ran && self.runs.failed(node);
        let Some(node) = node.filter(bears) else {
            let (line, ..) = self.place.line_of(raw.get(), "who");
            return Some(Problem { line, what: "names a node that fails in none of its runs".to_owned() });
        };
        fields.set("node", cut(node));
        fields.set("partners", named.partners);
        if let Some(partner) = self.runs.good(node) {
            fields.set("partner", cut(partner));
        }
        if let Some((why, least)) = self.runs.why(node) {
            fields.set("why", cut(why));
            if let Some(least) = least {
                fields.set("least", least);
            }
        }
        self.event(NAMED, Says::Failure, (raw.get(), "who"), fields);
        None
    }

    fn undecided(&mut self, sweep: &Sweep<'_>, at: (&str, &str), nodes: &[String], why: &str) {
        for node in nodes.iter().take(MOST_OPEN).map(Some).chain(nodes.is_empty().then_some(None)) {
            let mut fields = common(sweep);
            if let Some(node) = node {
                fields.set("node", cut(node));
            }
            fields.set("why", cut(why));
            self.event(UNDECIDED, Says::Failure, at, fields);
        }
    }

    fn event(&mut self, kind: Name, says: Says, (value, key): (&str, &str), fields: Fields) {
        let (line, offset, text) = self.place.line_of(value, key);
        self.out.push(Event { kind, says, line, offset, text, at: None, fields });
    }
}

fn common(sweep: &Sweep<'_>) -> Fields {
    let mut fields = Fields::default();
    fields.set("test", cut(&sweep.test));
    fields
}

/// At most [`MAX_FIELD`] bytes.
fn cut(text: &str) -> String {
    let end = (0..=MAX_FIELD.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].to_owned()
}
