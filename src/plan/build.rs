//! From a finding and its playbook to the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::answers::Answers;
use super::bind::{Bound, Origin, Values, bind, fill};
use super::identity;
use super::name::NodeName;
use super::service::{self, Way};
use super::site::Site;
use super::stage::{self, Staged};
use super::step::{Hand, Plan, Question, SCHEMA, Stage, Step, Subject};
use super::task::{Access, Group, Part, Script, Target, Task, What, Work};
use super::who::Who;
use super::witness::witnesses;
use crate::diagnose::{Match, culprit, offered, tested};
use crate::evidence::Table;
use crate::playbook::Template;
use crate::playbook::schema::{Aim, By, FixFile, Risk, TestFile, Undo};
use crate::playbook::test::{Shape, text as whole};
use crate::report::told_shortly;

/// How long a command of a fix may take, where its playbook does not say.
const FIX_TIME: Duration = Duration::from_secs(60);

/// How long a test may take, where its playbook does not say.
const TEST_TIME: Duration = Duration::from_secs(120);

/// Most bytes that are kept of what a step prints, of each stream.
const OUTPUT_CAP: usize = 256 << 10;

/// What a plan is made of, beside the finding and its evidence.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What a person said, or a model picked.
    pub answers: &'a Answers,
    /// Sources that a person named one by one.
    pub vouched: &'a BTreeSet<String>,
    /// Who schedules work on the nodes.
    pub who: &'a Who,
    /// What the site says of its nodes.
    pub site: &'a Site,
}

/// What is to be done about a finding.
#[must_use]
pub fn plan(found: &Match<'_>, table: &Table, known: Known<'_>) -> Plan {
    let playbook = found.playbook;
    let (culprit, _) = culprit(found, table);
    let origin = Origin { found, table, culprit: &culprit, answers: known.answers, site: known.site, for_test: false };
    let mut maker = Maker { origin, who: known.who, steps: Vec::new(), questions: Vec::new() };
    let tests = playbook.test.iter().filter(|(_, test)| tested(test, found));
    let confirms: Vec<Step> = tests.map(|(id, test)| maker.test(id, test)).collect();
    maker.steps.extend(confirms.iter().cloned());
    for fix in playbook.fix.iter().filter(|fix| offered(fix, found)) {
        maker.fix(fix, &confirms);
    }
    let Maker { steps, questions, .. } = maker;
    let quiet = playbook.verify.quiet.iter().flat_map(|quiet| &quiet.clues);
    let subject = Subject {
        cause: playbook.id.clone(),
        title: playbook.title.clone(),
        confidence: found.confidence,
        status: playbook.status,
        witnesses: witnesses(found, table, known.vouched),
        seen: quiet.map(|clue| (clue.clone(), seen(found, table, clue))).collect(),
        identity: identity::of(&culprit, table),
        culprit,
    };
    Plan { schema: SCHEMA.to_owned(), subject, questions, steps, verify: playbook.verify.clone() }
}

/// How often the rows of a clue were seen.
fn seen(found: &Match<'_>, table: &Table, clue: &str) -> u64 {
    let rows = found.bound.get(clue).map_or(&[][..], Vec::as_slice);
    rows.iter().map(|row| table.rows[*row].count).sum()
}

struct Maker<'a> {
    origin: Origin<'a>,
    who: &'a Who,
    steps: Vec<Step>,
    questions: Vec<Question>,
}

impl Maker<'_> {
    fn bind(
        &mut self,
        of: &str,
        params: &indexmap::IndexMap<String, crate::playbook::schema::Parameter>,
        for_test: bool,
    ) -> Bound {
        let bound = bind(of, params, Origin { for_test, ..self.origin });
        for question in &bound.questions {
            match self.questions.iter_mut().find(|known| known.id == question.id) {
                Some(known) => known.tests.extend(question.tests.iter().cloned()),
                None => self.questions.push(question.clone()),
            }
        }
        bound
    }

    fn test(&mut self, id: &str, test: &TestFile) -> Step {
        let bound = self.bind(id, &test.params, true);
        let mut cannot = lacking(&bound);
        let within = span(&test.timeout).unwrap_or(TEST_TIME);
        let mut groups = Vec::new();
        match staged(test, within) {
            Ok(staged) => match runs(&staged, &bound.all) {
                Ok(runs) if test.shape == HERE => groups = runs.into_iter().map(asked_here).collect(),
                Ok(runs) => groups = runs,
                Err(why) => cannot.push(why),
            },
            Err(why) => cannot.push(why),
        }
        let step = format!("{}-{id}", word(Stage::Confirm));
        let nodes = if test.shape == HERE { about(&bound) } else { nodes_of(&groups) };
        let risk = test.risk.unwrap_or(Risk::Destructive);
        let disturbs = if test.disturbs.is_empty() { disturbance(risk) } else { test.disturbs.clone() };
        let title = self.said(&test.title, &together(&bound.all));
        let task = Task { id: step.clone(), title, risk, disturbs: disturbs.clone(), groups };
        Step {
            id: step,
            of: id.to_owned(),
            nodes,
            rubric: test.rubric.clone(),
            tools: test.tools.clone(),
            within_s: within.as_secs(),
            disturbs,
            tasks: if cannot.is_empty() { vec![task.clone()] } else { Vec::new() },
            cannot,
            ..Step::alone(task)
        }
    }

    fn fix(&mut self, fix: &FixFile, confirms: &[Step]) {
        // What a person does by hand they know themselves.
        let bound = match fix.by {
            By::Diag => self.bind(&fix.id, &fix.params, false),
            By::Hands => bind(&fix.id, &fix.params, self.origin),
        };
        let mut fixing = self.doing(fix, &bound, Stage::Fix, &self.does(fix));
        fixing.proven_by = fix.proven_by.iter().map(|test| format!("{}-{test}", word(Stage::Confirm))).collect();
        let by_us = fix.by == By::Diag;
        let id = fixing.id.clone();
        self.steps.push(fixing);
        if by_us && fix.aim == Aim::Contain {
            return self.back(fix, &bound, &id, confirms);
        }
        if by_us {
            self.again(fix, &id, confirms);
        }
        match &fix.undo {
            Undo::Do(_) | Undo::Script(_) if by_us => {
                let doings: Vec<Doing<'_>> = match &fix.undo {
                    Undo::Do(commands) => argvs(commands).collect(),
                    Undo::Script(script) => vec![Doing::Script(&script.text)],
                    Undo::Say(_) => Vec::new(),
                };
                self.after(fix, &bound, (Stage::Undo, id), &doings, format!("Take `{}` back", fix.id));
            }
            Undo::Say(sentence) if by_us && takes_back(sentence) => {
                let mut undo = self.doing(fix, &bound, Stage::Undo, &[]);
                undo.after = Some(id);
                undo.title = format!("Take `{}` back", fix.id);
                undo.hands = vec![Hand::Say(self.said(sentence, &together(&bound.all)))];
                self.steps.push(undo);
            }
            _ => {}
        }
    }

    /// The tests again, after a fix.
    fn again(&mut self, fix: &FixFile, id: &str, confirms: &[Step]) {
        let again = |step: &Step| Step {
            id: format!("verify-{}-{}", fix.id, step.of),
            stage: Stage::Verify,
            after: Some(id.to_owned()),
            ..step.clone()
        };
        self.steps.extend(confirms.iter().map(again));
    }

    /// What comes after a node was kept off: it is given back where that did not hold, or where a test tells that it was mended; and
    /// kept off again where it was given back too early.
    fn back(&mut self, fix: &FixFile, bound: &Bound, id: &str, confirms: &[Step]) {
        let (off, back) = (&[Doing::Service(Way::Off)], &[Doing::Service(Way::Back)]);
        let title = self.said("Give {node} back to the scheduler", &together(&bound.all));
        let again = self.said("Keep new jobs off {node} again", &together(&bound.all));
        self.after(fix, bound, (Stage::Undo, id.to_owned()), back, format!("Take `{}` back", fix.id));
        if confirms.is_empty() {
            return;
        }
        self.again(fix, id, confirms);
        let given = self.after(fix, bound, (Stage::Return, id.to_owned()), back, title);
        self.after(fix, bound, (Stage::Undo, given), off, again);
    }

    /// A step that comes after another one; gives its name.
    fn after(
        &mut self,
        fix: &FixFile,
        bound: &Bound,
        (stage, after): (Stage, String),
        doings: &[Doing<'_>],
        title: String,
    ) -> String {
        let mut step = self.doing(fix, bound, stage, doings);
        if stage == Stage::Undo && after.starts_with(word(Stage::Return)) {
            step.id = format!("undo-{after}");
        }
        step.tasks.iter_mut().for_each(|task| task.title.clone_from(&title));
        (step.after, step.title) = (Some(after), title);
        let id = step.id.clone();
        self.steps.push(step);
        id
    }

    /// What a fix of diag's does.
    fn does<'f>(&self, fix: &'f FixFile) -> Vec<Doing<'f>> {
        match &fix.script {
            _ if fix.aim == Aim::Contain => vec![Doing::Service(Way::Off)],
            Some(script) => vec![Doing::Script(&script.text)],
            None => argvs(&fix.commands).collect(),
        }
    }

    /// A text for people: a parameter that is not known stands there as `NODE`, and what a clue tells as in the report.
    fn said(&self, text: &str, values: &Values) -> String {
        let Origin { found, table, .. } = self.origin;
        let field = |clue: &str, name: &str| match clue {
            "" => Some(values.get(name).cloned().unwrap_or_else(|| name.to_uppercase())),
            _ => told_shortly(found, table, clue, name),
        };
        Template::parse(text).fill(&field, &|_| String::new())
    }

    /// A fix or what comes after it, as commands.
    fn doing(&self, fix: &FixFile, bound: &Bound, stage: Stage, doings: &[Doing<'_>]) -> Step {
        let id = format!("{}-{}", word(stage), fix.id);
        let within = span(&fix.timeout).unwrap_or(FIX_TIME);
        let title = self.said(&fix.title, &together(&bound.all));
        let by_us = fix.by == By::Diag && !doings.is_empty();
        let mut cannot = if fix.params.is_empty() { Vec::new() } else { lacking(bound) };
        let mut tasks = Vec::new();
        let assigned = if fix.params.is_empty() { vec![Values::new()] } else { bound.all.clone() };
        let ours = if by_us && cannot.is_empty() { doings } else { &[] };
        for (at, doing) in ours.iter().enumerate() {
            let groups: Result<Vec<Group>, String> =
                assigned.iter().map(|values| self.group(fix, *doing, values, within)).collect();
            match groups {
                Ok(groups) => tasks.push(Task {
                    id: if doings.len() == 1 { id.clone() } else { format!("{id}-{}", at + 1) },
                    title: title.clone(),
                    risk: fix.risk,
                    disturbs: fix.disturbs.clone(),
                    groups,
                }),
                Err(why) => cannot.push(why),
            }
        }
        let nodes = nodes(fix, bound);
        if by_us && cannot.is_empty() {
            cannot.extend(blameless(&nodes, self.origin));
        }
        if !cannot.is_empty() {
            tasks.clear();
        }
        Step {
            id,
            stage,
            of: fix.id.clone(),
            after: None,
            title,
            proven_by: Vec::new(),
            risk: fix.risk,
            aim: fix.aim,
            nodes,
            hands: if by_us { Vec::new() } else { hands(fix, doings, &assigned) },
            rubric: None,
            tools: self.tools(doings),
            within_s: within.as_secs() * doings.len().max(1) as u64,
            disturbs: if fix.disturbs.is_empty() { disturbance(fix.risk) } else { fix.disturbs.clone() },
            cannot: if by_us { cannot } else { Vec::new() },
            tasks,
        }
    }

    /// One thing that a fix does, for one assignment.
    fn group(&self, fix: &FixFile, doing: Doing<'_>, values: &Values, timeout: Duration) -> Result<Group, String> {
        let word = |word: &String| fill(word, values).map_err(|name| format!("nothing tells `{name}`"));
        let (what, env) = match doing {
            Doing::Argv(command) => (What::Argv(command.iter().map(word).collect::<Result<_, _>>()?), BTreeMap::new()),
            Doing::Script(text) => (What::Script(Script::sh(text)), variables(values)),
            Doing::Service(way) => {
                let values = service::values(self.who, way, &self.origin.found.playbook.id, values);
                (What::Script(Script::sh(service::script(self.who, way))), variables(&values))
            }
        };
        let target = match &fix.on {
            None => Target::Here,
            Some(on) => {
                let node = values.get(on).ok_or_else(|| format!("nothing tells `{on}`, where it runs"))?;
                Target::Node(node.parse().map_err(|_| format!("`{}` is no node", node.escape_debug()))?)
            }
        };
        // `scontrol` and `kubectl` ask somebody, and read their own configuration and keys.
        let access = Access { network: true, files: true };
        let work = Work { what, env, timeout, output_cap: OUTPUT_CAP, access };
        Ok(Group { parts: vec![Part { target, work }] })
    }

    /// The programs that a fix calls.
    fn tools(&self, doings: &[Doing<'_>]) -> Vec<String> {
        let of = |doing: &Doing<'_>| match doing {
            Doing::Argv(argv) => argv.first().cloned().into_iter().collect(),
            Doing::Script(_) => Vec::new(),
            Doing::Service(_) => service::tools(self.who),
        };
        let mut tools: Vec<String> = Vec::new();
        for tool in doings.iter().flat_map(of) {
            if !tools.contains(&tool) {
                tools.push(tool);
            }
        }
        tools
    }
}

/// How the names of a stage's steps begin.
const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Confirm => "confirm",
        Stage::Fix => "fix",
        Stage::Verify => "verify",
        Stage::Undo => "undo",
        Stage::Return => "return",
    }
}

/// Whether a sentence on how to take something back says that there is something to take back.
fn takes_back(sentence: &str) -> bool {
    !matches!(sentence.trim(), "" | "none" | "none needed")
}

/// Why a fix or test whose parameters are not bound can't be done.
fn lacking(bound: &Bound) -> Vec<String> {
    let asked = bound.questions.iter().map(|question| format!("needs an answer: {}", question.what));
    bound.cannot.iter().cloned().chain(asked).collect()
}

/// Nodes that a fix would touch and that neither the evidence blames nor a person named.
fn blameless(nodes: &[NodeName], origin: Origin<'_>) -> Vec<String> {
    let blamed = |node: &str| origin.culprit.nodes.iter().any(|blamed| blamed == node);
    let other = nodes.iter().filter(|node| !blamed(node.as_str()) && !origin.answers.names(node.as_str()));
    other.map(|node| format!("{node} is not whom the evidence blames")).collect()
}

/// The shape of a test that runs where diag does, and asks somebody about the node: its daemon's port, the controller.
const HERE: &str = "here";

/// The nodes that a test is about.
fn about(bound: &Bound) -> Vec<NodeName> {
    let named = bound.all.iter().filter_map(|values| values.get("node")?.parse().ok());
    named.collect::<BTreeSet<NodeName>>().into_iter().collect()
}

/// The same work where diag runs; it may ask the network, and changes nothing here.
fn asked_here(mut group: Group) -> Group {
    for part in &mut group.parts {
        part.target = Target::Here;
        part.work.access = Access { network: true, files: false };
    }
    group
}

/// One thing that a fix does.
#[derive(Debug, Clone, Copy)]
enum Doing<'a> {
    /// A program and its arguments, with holes.
    Argv(&'a [String]),
    /// A constant script.
    Script(&'a str),
    /// A node is kept off, or given back, as whoever schedules work on it wants that.
    Service(Way),
}

fn argvs(commands: &[Vec<String>]) -> impl Iterator<Item = Doing<'_>> {
    commands.iter().map(|argv| Doing::Argv(argv))
}

/// Parameters as a script reads them.
fn variables(values: &Values) -> BTreeMap<String, String> {
    values.iter().map(|(name, value)| (format!("DIAG_{}", name.to_uppercase()), value.clone())).collect()
}

/// What runs on each end of a test.
fn staged(test: &TestFile, timeout: Duration) -> Result<Staged, String> {
    let (Some(script), Some(rubric)) = (&test.script, &test.rubric) else {
        return Err("the playbook has no script for it".to_owned());
    };
    let text = |text: &String| if test.uses.is_some() { text.clone() } else { whole(&test.tools, text) };
    let plain = script.plain.as_ref().map(text);
    let script = Script { shell: script.shell.clone(), text: text(&script.text), plain };
    Ok(Staged { shape: rubric.shape, script, timeout })
}

/// The runs of a test: one an assignment, or one of all nodes together.
fn runs(staged: &Staged, all: &[Values]) -> Result<Vec<Group>, String> {
    let node = |values: &Values, name: &str| {
        let text =
            values.get(name).ok_or_else(|| format!("it has no parameter `{name}`, so nothing tells where it runs"))?;
        text.parse::<NodeName>().map_err(|_| format!("`{}` is no node", text.escape_debug()))
    };
    if staged.shape == Shape::All {
        let mut nodes = all.iter().map(|values| node(values, "node")).collect::<Result<Vec<_>, _>>()?;
        nodes.dedup();
        return Ok(all.first().map(|values| stage::group(staged, values, &nodes, None)).into_iter().collect());
    }
    let run = |values: &Values| {
        let own = node(values, "node")?;
        let nodes = match staged.shape {
            Shape::Pair => vec![node(values, "peer")?, own],
            _ => vec![own],
        };
        if let [a, b] = nodes.as_slice()
            && a == b
        {
            return Err(format!("both ends are {a}"));
        }
        Ok(stage::group(staged, values, &nodes, None))
    };
    all.iter().map(run).collect()
}

/// What a person does: the same commands, with the node that each runs on.
fn hands(fix: &FixFile, doings: &[Doing<'_>], assigned: &[Values]) -> Vec<Hand> {
    let none = vec![Values::new()];
    let assigned = if assigned.is_empty() { &none } else { assigned };
    let mut hands: Vec<Hand> = Vec::new();
    for values in assigned {
        let word = |text: &String| filled(text, values);
        let set = fix.env.iter().map(|(name, value)| Hand::Set(name.clone(), word(value)));
        let to = fix.on.iter().flat_map(|on| ["ssh".to_owned(), filled(&format!("{{{on}}}"), values)]);
        let to: Vec<String> = to.collect();
        let argvs = doings.iter().filter_map(|doing| if let Doing::Argv(argv) = doing { Some(argv) } else { None });
        let typed = argvs.map(|argv| Hand::Type(to.iter().cloned().chain(argv.iter().map(word)).collect()));
        for hand in set.chain(typed) {
            if !hands.contains(&hand) {
                hands.push(hand);
            }
        }
    }
    hands
}

/// A word that a person types: what is not known stands there as `NODE`.
fn filled(text: &str, values: &Values) -> String {
    let mut known = values.clone();
    loop {
        match fill(text, &known) {
            Ok(filled) => return filled,
            Err(name) => known.insert(name.clone(), name.to_uppercase()),
        };
    }
}

/// All assignments as one, for a title: `gpu-17, gpu-18 and 6 more`.
fn together(all: &[Values]) -> Values {
    const FEW: usize = 3;
    let mut together = Values::new();
    for name in all.iter().flat_map(|values| values.keys()).collect::<BTreeSet<_>>() {
        let mut values: Vec<&str> = all.iter().filter_map(|one| one.get(name)).map(String::as_str).collect();
        values.dedup();
        let more = values.len().saturating_sub(FEW);
        values.truncate(FEW);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        together.insert(name.clone(), values.join(", ") + &more);
    }
    together
}

/// The nodes that a fix touches: where it runs, or whom its parameters of type `node` name.
fn nodes(fix: &FixFile, bound: &Bound) -> Vec<NodeName> {
    let names = fix.params.iter().filter(|(_, parameter)| parameter.kind == "node").map(|(name, _)| name);
    let names: BTreeSet<&String> = names.chain(&fix.on).collect();
    let mut nodes: Vec<NodeName> = Vec::new();
    for node in bound.all.iter().flat_map(|values| names.iter().filter_map(|name| values.get(*name))) {
        if let Ok(node) = node.parse::<NodeName>()
            && !nodes.contains(&node)
        {
            nodes.push(node);
        }
    }
    nodes
}

fn nodes_of(groups: &[Group]) -> Vec<NodeName> {
    let mut nodes = Vec::new();
    for part in groups.iter().flat_map(|group| &group.parts) {
        if let Target::Node(node) = &part.target
            && !nodes.contains(node)
        {
            nodes.push(node.clone());
        }
    }
    nodes
}

/// What a step of this risk disturbs, where its playbook does not say.
fn disturbance(risk: Risk) -> String {
    match risk {
        Risk::Load => "whatever else runs on the node gets slower meanwhile",
        Risk::Observe | Risk::Reversible => "",
        Risk::Disruptive => "work on the node ends or waits",
        Risk::Destructive => "something is lost",
    }
    .to_owned()
}

/// A time as playbooks write it: `90s`, `30m`, `2h`, `1d`.
#[must_use]
pub fn span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let number: u64 = text[..text.len() - unit.len_utf8()].trim().parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}
