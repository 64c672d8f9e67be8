//! A plan for a terminal: what is asked, then each step in the order in which it would be done.

use super::{Says, by_hand, commands, label, passes, place, rests, then, time};
use crate::plan::step::{Plan, Stage, Step};
use crate::plan::task::What;
use crate::report::text::{Look, Paper, Span, Tone};
use crate::report::words;

/// Columns of the labels at the left.
const GUTTER: usize = 9;

/// Variables that tell an end who it is, which says nothing to a person.
const ROLES: [&str; 4] = ["DIAG_ROLE", "DIAG_RANK", "DIAG_WORLD", "DIAG_NODES"];

/// Most commands of a step that are shown without `-v`.
const FEW: usize = 4;

/// The plan as text.
#[must_use]
pub fn render(plan: &Plan, says: &Says, look: Look) -> Vec<u8> {
    let mut teller = Teller { plan, says, look, paper: Paper::new(look.width, look.colour) };
    teller.head();
    teller.questions();
    for (at, step) in plan.steps.iter().filter(|step| !step.follows()).enumerate() {
        teller.step(at + 1, step);
    }
    teller.foot();
    teller.paper.finish().into_bytes()
}

/// One step by itself, line by line, for a screen; `number`: its place in the plan, from 0.
#[cfg(feature = "triage")]
pub(crate) fn step(plan: &Plan, says: &Says, number: usize, look: Look) -> Vec<Vec<Span>> {
    let mut teller = Teller { plan, says, look, paper: Paper::new(look.width, look.colour) };
    if let Some(step) = plan.steps.get(number) {
        teller.step(number + 1, step);
    }
    teller.paper.lines()
}

struct Teller<'a> {
    plan: &'a Plan,
    says: &'a Says,
    look: Look,
    paper: Paper,
}

impl Teller<'_> {
    fn head(&mut self) {
        let subject = &self.plan.subject;
        let who = words::culprit(&subject.culprit);
        let what = if who.is_empty() { subject.title.clone() } else { format!("{}: {who}", subject.title) };
        let sure = format!(" ({})", words::confidence(subject.confidence));
        self.labelled("PLAN", Tone::Unsure, &[Span::new(what, Tone::Strong), Span::new(sure, Tone::Faint)]);
        let witnesses: Vec<&str> = subject.witnesses.iter().map(|witness| witness.about()).collect();
        if !witnesses.is_empty() {
            self.faint(&format!("Told by {}. Nothing has been run.", witnesses.join(" and ")));
        }
    }

    fn questions(&mut self) {
        if self.plan.questions.is_empty() {
            return;
        }
        self.paper.blank();
        for (at, question) in self.plan.questions.iter().enumerate() {
            let label = if at == 0 { "Ask" } else { "" };
            self.labelled(label, Tone::Strong, &[Span::plain(&question.what)]);
            let offer = question.offers.first().cloned().unwrap_or_else(|| question.kind.to_uppercase());
            self.paper.command(
                &[Span::plain(" ".repeat(GUTTER)), Span::new("add ", Tone::Faint)],
                GUTTER + 4,
                &["--set".to_owned(), format!("{}={offer}", question.id)],
            );
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        self.paper.blank();
        let lead = format!("{number:>2}.");
        let stage = format!("{}: ", label(step));
        let spans = [Span::new(stage, Tone::Cite), Span::new(&step.title, Tone::Strong)];
        self.labelled(&lead, Tone::Strong, &spans);
        self.terms(step);
        self.doing(step);
        self.follow(step);
    }

    /// Where, at what risk, how long, and what the policy says.
    fn terms(&mut self, step: &Step) {
        let mut said = vec![place(step), words::risk(&step.risk.to_string()).to_owned()];
        if step.runs() {
            said.push(format!("up to {}", time(step.within_s)));
        }
        if !step.tools.is_empty() && step.stage == Stage::Confirm {
            said.push(format!("needs {}", step.tools.join(", ")));
        }
        said.retain(|part| !part.is_empty());
        self.faint(&said.join("; "));
        if !step.disturbs.is_empty() && step.runs() {
            self.faint(&format!("disturbs: {}", step.disturbs));
        }
        let passes = passes(step);
        if !passes.is_empty() {
            self.plain(&format!("passes if {passes}"));
        }
        let rests = rests(step);
        if !rests.is_empty() {
            self.plain(&rests);
        }
        for why in &step.cannot {
            self.paper.flow(&[], GUTTER, &[Span::new("can't be run: ", Tone::Unsure), Span::plain(why)]);
        }
        if let Some(word) = self.says.get(&step.id) {
            let tone = if word.answer == "forbid" { Tone::Bad } else { Tone::Plain };
            self.paper.flow(&[], GUTTER, &[Span::new(&word.answer, tone), Span::plain(": "), Span::plain(&word.why)]);
        }
    }

    fn doing(&mut self, step: &Step) {
        let commands = commands(step);
        let shown = if self.look.verbose { commands.len() } else { FEW };
        for (on, argv) in commands.iter().take(shown) {
            self.command(on, argv);
        }
        if commands.len() > shown {
            self.faint(&format!("and {} (-v)", words::count((commands.len() - shown) as u64, "more command")));
        }
        self.script(step);
        for (command, argv) in step.hands.iter().map(by_hand) {
            if command { self.command("", &argv) } else { self.plain(&argv.join(" ")) }
        }
    }

    /// A script in a line; whole with `-v`.
    fn script(&mut self, step: &Step) {
        // Of a pair, the end that begins: the other one only answers.
        let part = step.tasks.iter().flat_map(|task| &task.groups).next().and_then(|group| group.parts.last());
        let Some((part, What::Script(script))) = part.map(|part| (part, &part.work.what)) else { return };
        let itself = |name: &str, value: &str| name == "DIAG_PEER" && value == part.target.to_string();
        let own = part.work.env.iter().filter(|(name, value)| !ROLES.contains(&name.as_str()) && !itself(name, value));
        let env: Vec<String> = own.map(|(name, value)| format!("{name}={}", words::quoted(value))).collect();
        self.plain(&format!("with {}", env.join(" ")));
        let lines = script.text.trim().lines().count();
        if !self.look.verbose {
            return self.faint(&format!("a script of {} (-v shows it)", words::count(lines as u64, "line")));
        }
        for line in script.text.trim().lines() {
            self.paper.verbatim(GUTTER + 2, line);
        }
    }

    /// What follows a step: its test again, its undoing. What comes only when a person comes back is told whole with `-v`.
    fn follow(&mut self, step: &Step) {
        let plan = self.plan;
        for next in
            plan.following(step).filter(|next| next.stage == Stage::Verify || next.runs() || !next.hands.is_empty())
        {
            let whole = self.look.verbose || (next.stage == Stage::Undo && step.stage == Stage::Fix);
            let when = then(step, next);
            if whole && next.stage != Stage::Verify {
                self.plain(&format!("{when}:"));
                self.doing(next);
            } else {
                self.plain(&when);
            }
            self.follow(next);
        }
    }

    fn foot(&mut self) {
        if let Some(quiet) = &self.plan.verify.quiet {
            self.paper.blank();
            let what = format!("it must stay quiet for {}: no new line of {}", quiet.window, quiet.clues.join(", "));
            self.labelled("Then", Tone::Strong, &[Span::plain(what)]);
        }
    }

    fn labelled(&mut self, label: &str, tone: Tone, spans: &[Span]) {
        self.paper.flow(&[Span::new(label, tone)], GUTTER, spans);
    }

    fn plain(&mut self, text: &str) {
        self.paper.flow(&[], GUTTER, &[Span::plain(text)]);
    }

    fn faint(&mut self, text: &str) {
        self.paper.flow(&[], GUTTER, &[Span::new(text, Tone::Faint)]);
    }

    fn command(&mut self, on: &str, argv: &[String]) {
        let prompt = if on.is_empty() { "$ ".to_owned() } else { format!("{on}$ ") };
        let lead = [Span::plain(" ".repeat(GUTTER)), Span::new(&prompt, Tone::Faint)];
        self.paper.command(&lead, GUTTER + 2, argv);
    }
}
