//! `diag probe --nodes`: the health of many nodes, each read by the diag that is there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::phase::Phase;
use super::plan;
use super::session::Session;
use super::transport::{self, How};
use crate::error::Error;
use crate::exec::{End, Ran};
use crate::plan::{Access, Group, NodeName, Part, Target, Task, What, Work};
use crate::playbook::schema::Risk;
use crate::policy::Said;
use crate::reading::Verdict;
use crate::report::readings::nodes::{Nodes, Seen};
use crate::report::readings::{Look, SCHEMA};

/// Beside what the probes may take: the start of the program, and its answer's way back.
const SLACK: Duration = Duration::from_secs(15);

/// Most bytes of an answer. That of a node with eight GPUs takes about 100 KiB.
const ANSWER: usize = 2 << 20;

/// What every node is asked.
pub(super) struct Question<'a> {
    pub(super) set: &'a str,
    pub(super) how: &'a How,
    pub(super) policy: Option<&'a std::path::Path>,
    /// The program, as the nodes know it.
    pub(super) program: &'a str,
    pub(super) only: &'a [String],
    pub(super) deadline: f64,
    pub(super) quiet: bool,
}

/// Asks all nodes.
pub(super) fn look(question: &Question) -> Result<Nodes, Error> {
    let nodes = transport::nodes(question.set)?;
    let executor = transport::executor(question.how, false)?;
    let session = Session::new(executor, plan::policy(question.policy)?, question.how.scheduler(), Said::default());
    // What only looks needs nobody's word, unless a policy says otherwise.
    let task = session.approve(task(&nodes, question), |_| false)?;
    let phase = Phase::new("probing", nodes.len(), question.quiet);
    let rans = session.run(&task, &phase)?;
    drop(phase);
    Ok(Nodes::new(rans.iter().map(|ran| seen(ran, question.program)).collect()))
}

fn task(nodes: &[NodeName], question: &Question) -> Task {
    let words = [question.program, "probe", "--format", "json", "--deadline"].map(str::to_owned);
    let argv: Vec<String> =
        words.into_iter().chain([question.deadline.to_string()]).chain(question.only.iter().cloned()).collect();
    let timeout = Duration::from_secs_f64(question.deadline) + SLACK;
    let what = What::Argv(argv);
    let work = Work { what, env: BTreeMap::new(), timeout, output_cap: ANSWER, access: Access::default() };
    let group =
        |node: &NodeName| Group { parts: vec![Part { target: Target::Node(node.clone()), work: work.clone() }] };
    Task {
        id: "probe".to_owned(),
        title: "Read the health of nodes".to_owned(),
        risk: Risk::Observe,
        disturbs: String::new(),
        groups: nodes.iter().map(group).collect(),
    }
}

/// What came of one node. Whatever kept it from answering is never taken for health.
fn seen(ran: &Ran, program: &str) -> Seen {
    let node = ran.target.to_string();
    let without = |verdict, why: String| Seen { node: node.clone(), verdict, why: Some(why), look: None };
    match &ran.end {
        End::Exit(0 | 1) => match serde_json::from_str::<Look>(&ran.stdout.text) {
            Ok(look) if look.schema == SCHEMA => {
                // What it says of itself is computed again: the verdict of a node is that of its readings.
                let look = Look::new(look.node, look.time, look.elapsed_ms, look.readings);
                Seen { node, verdict: look.verdict, why: None, look: Some(look) }
            }
            Ok(look) => without(Verdict::CannotRun, format!("its diag speaks {}, this one {SCHEMA}", look.schema)),
            Err(error) => without(Verdict::Unknown, format!("its answer can't be read: {error}")),
        },
        End::CannotRun(why) if why.contains("is not there") => without(
            Verdict::CannotRun,
            format!("`{program}` is not there: install diag on the node, or say by --program where it is"),
        ),
        End::CannotRun(why) => without(Verdict::CannotRun, why.clone()),
        End::Exit(status) => {
            let said = ran.stderr.text.lines().next().unwrap_or_default();
            without(Verdict::CannotRun, format!("`{program} probe` left with {status}: {said}"))
        }
        other => without(Verdict::Unknown, other.to_string()),
    }
}
