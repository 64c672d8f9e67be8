//! Tests and cases on which work goes on while no person is there: nobody is asked, and nothing is agreed to.

use std::path::Path;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::fix;
use super::plan::{self as planning, What};
use super::session::Silent;
use super::test;
use super::transport::{self, How};
use crate::agent::{Began, Case, Driver, Ending, Manner, World, handover};
use crate::breaker::Breaker;
use crate::case::{Journal, Standing, standing};
use crate::collect::Fence;
use crate::error::Error;
use crate::exec::Told;
use crate::mcp::{Came, Wish};
use crate::plan::{Answers, NodeName, Plan, Question, Site, Step, tell};
use crate::playbook::Library;
use crate::policy::{Asked, risk};
use crate::report::words::quoted;
use crate::verdict::Outcome;

/// What was said when the server was started.
pub(super) struct Terms<'a> {
    /// The only nodes that may be touched.
    pub(super) nodes: &'a [NodeName],
    pub(super) how: &'a How,
    pub(super) policy: Option<&'a Path>,
    pub(super) state: Option<&'a Path>,
    pub(super) formats: Option<&'a Path>,
    pub(super) minutes: u64,
    pub(super) site: Site,
}

/// Runs a test as far as that needs no yes.
pub(super) fn test(asked: &test::Args, library: &Library, stop: &CancellationToken) -> Result<Came, Error> {
    match test::tested(asked, library, stop) {
        Ok((told, well)) => Ok(Came {
            state: "done",
            summary: if well { "it passed".to_owned() } else { "it did not pass everywhere".to_owned() },
            result: serde_json::from_str(&told).unwrap_or(Value::String(told)),
            ..Came::default()
        }),
        Err(error) if error.code == "policy.asks" => Ok(Came {
            state: "needs-a-person",
            summary: error.reason.clone(),
            happened: vec!["nothing was run".to_owned()],
            wants: vec![Wish { step: asked.named().to_owned(), why: error.reason, ..Wish::default() }],
            command: Some(asked.typed()),
            ..Came::default()
        }),
        Err(error) if error.code == "policy.refused" => {
            Ok(Came { state: "refused", summary: error.reason, ..Came::default() })
        }
        Err(error) => Err(error),
    }
}

/// Goes on with a case as far as that needs no yes.
pub(super) fn go_on(
    root: &Path,
    fence: &Fence,
    library: &Library,
    terms: &Terms<'_>,
    stop: &CancellationToken,
) -> Result<Came, Error> {
    if !matches!(standing(root), Standing::Whole | Standing::Adding) {
        return Err(Error::new("case.none", root.display().to_string(), "is no case")
            .with_way_on("a person makes one: diag collect LOGS -o CASE"));
    }
    let root =
        root.canonicalize().map_err(|error| Error::new("case.none", root.display().to_string(), error.to_string()))?;
    let before = fix::last_began(&root)?;
    let what = What {
        inputs: vec![root.display().to_string()],
        narrow: before.as_ref().and_then(|began| serde_json::from_value(began.narrow.clone()).ok()).unwrap_or_default(),
        set: Vec::new(),
        cause: before.as_ref().and_then(|began| began.cause.clone()),
        policy: None,
        quiet: true,
        playbooks: None,
        formats: terms.formats.map(Path::to_owned),
        who: terms.how.scheduler(),
        site: terms.site.clone(),
    };
    let inputs = before.as_ref().map_or_else(|| what.inputs.clone(), |began| began.inputs.clone());
    let policy = planning::policy(terms.policy)?;
    let breaker = Breaker::new(&fix::state(terms.state), "taken", policy.limits.nodes_per_hour);
    let mut nobody =
        Nobody { what: &what, library, fence, inputs: inputs.clone(), told: Vec::new(), wants: Vec::new() };
    let began = Began {
        diag: env!("CARGO_PKG_VERSION").to_owned(),
        who: nobody.who(),
        inputs,
        cause: what.cause.clone(),
        narrow: serde_json::to_value(&what.narrow).unwrap_or_default(),
        approve: None,
        on_busy: false,
        named: Vec::new(),
        nodes: both(terms.nodes, before.as_ref())?,
        how: terms.how.options(),
        scheduler: terms.how.scheduler(),
        brain: None,
        rounds: fix::ROUNDS,
        minutes: terms.minutes,
        node_minutes: fix::NODE_MINUTES,
        policy,
        manner: Manner::GoOn,
    };
    let executor = transport::executor(terms.how, true)?;
    let mut driver = Driver::open(Journal::open(&root)?, began, executor.as_ref(), Some(breaker), &mut nobody)?;
    // What stops the call stops what it runs.
    let stopper = driver.stopper();
    let link = stop.clone();
    let ending = std::thread::scope(|scope| {
        let over = CancellationToken::new();
        let watch = over.clone();
        scope.spawn(move || stops(&link, &stopper, &watch));
        let ending = driver.run(&mut nobody);
        over.cancel();
        ending
    })?;
    fix::hand_over(driver.case(), &root, &[])?;
    fix::wait(driver.case(), &root, terms.state);
    Ok(came(&root, driver.case(), &ending, nobody, terms.how))
}

/// Hands a stop on.
fn stops(from: &CancellationToken, to: &CancellationToken, over: &CancellationToken) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    runtime.block_on(async {
        tokio::select! {
            () = from.cancelled() => to.cancel(),
            () = over.cancelled() => {}
        }
    });
}

/// The nodes that may be touched now and might be touched then.
fn both(nodes: &[NodeName], before: Option<&Began>) -> Result<Vec<String>, Error> {
    let then = before.map(|began| began.nodes.as_slice()).unwrap_or_default();
    let names = nodes.iter().map(|node| node.as_str().to_owned());
    let both: Vec<String> = names.filter(|node| then.is_empty() || then.contains(node)).collect();
    if both.is_empty() {
        let error = Error::new(
            "mcp.nodes",
            then.join(","),
            "only these nodes were named for the case, and none of them for this server",
        );
        return Err(error.with_way_on("a person goes on with it: diag resume CASE"));
    }
    Ok(both)
}

fn came(root: &Path, case: &Case, ending: &Ending, nobody: Nobody<'_>, how: &How) -> Came {
    let asks = nobody.wants.iter().any(|wish| wish.risk.is_empty());
    let state = if nobody.wants.is_empty() { "done" } else { "needs-a-person" };
    let set = if asks { " --set NAME=VALUE" } else { "" };
    let command = (!nobody.wants.is_empty())
        .then(|| format!("diag resume {}{}{set}", quoted(&root.display().to_string()), how.typed()));
    let tests: Vec<Value> = case.each().iter().flat_map(handover::readings).map(|(name, before, after)| {
        serde_json::json!({
            "test": name, "before": handover::outcome(before.as_ref()), "after": after.as_ref().map(|check| handover::outcome(Some(check))),
        })
    }).collect();
    Came {
        state,
        summary: handover::ending(ending),
        happened: nobody.told,
        wants: nobody.wants,
        command,
        result: serde_json::json!({"ending": ending, "tests": tests}),
    }
}

/// Nobody: they are not asked, and what they would be asked is kept.
struct Nobody<'a> {
    what: &'a What,
    library: &'a Library,
    fence: &'a Fence,
    /// What was named when the case was begun, for a look at what is new in it.
    inputs: Vec<String>,
    told: Vec<String>,
    wants: Vec<Wish>,
}

impl World for Nobody<'_> {
    fn now(&self) -> i64 {
        jiff::Timestamp::now().as_second()
    }

    fn read(&mut self, answers: &Answers, live: bool) -> Result<(Outcome, String, Vec<Plan>), Error> {
        let inputs = if live {
            self.inputs.iter().map(|input| self.fence.admit(input)).collect::<Result<_, _>>()?
        } else {
            self.what.inputs.clone()
        };
        let planned = planning::read_within(self.what, &inputs, self.library, answers, self.fence)?;
        Ok((planned.report.outcome, planned.report.headline, planned.plans))
    }

    fn ask(&mut self, question: &Question) -> Option<String> {
        self.wants.push(Wish {
            step: question.id.clone(),
            title: question.what.clone(),
            shown: question.offers.clone(),
            ..Wish::default()
        });
        None
    }

    fn agree(&mut self, step: &Step, asked: &Asked) -> Option<bool> {
        let busy = asked.busy.iter().map(|(node, job)| format!("{node} runs {job}"));
        self.wants.push(Wish {
            step: step.id.clone(),
            title: step.title.clone(),
            risk: risk(step).to_string(),
            why: asked.why.join("; "),
            shown: tell::shown(step).into_iter().chain(busy).collect(),
        });
        None
    }

    fn tell(&mut self, what: &str) {
        self.told.push(what.to_owned());
    }

    fn watch(&mut self, _: &str, _: usize) -> Box<dyn Told> {
        Box::new(Silent)
    }

    fn who(&self) -> String {
        format!("an assistant of {}", fix::who())
    }
}
