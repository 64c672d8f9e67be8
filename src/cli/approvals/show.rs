//! One thing that waits, whole: what would be run, and the lines that led there.

use serde_json::json;

use super::act::Site;
use super::queue::{Item, ask_nodes};
use super::{Args, Format, now, tell};
use crate::agent::Case;
use crate::case::pages;
use crate::cli::fix::{self, Evidence};
use crate::cli::plan::{Planned, What};
use crate::cli::{EXIT_HEALTHY, EXIT_TROUBLE, delivery, screen};
use crate::error::Error;
use crate::plan::{Answers, Stage, Step, differs, tell as steps};
use crate::policy::risk;
use crate::report::text::{Paper, Span, Tone};
use crate::report::{self, guard, words};

/// Columns of the labels at the left.
const GUTTER: usize = 10;

/// Columns before what is run; of a line that goes on, twice as many.
const INDENT: usize = 2;

/// Most lines of evidence that are shown.
const LINES: usize = 12;

/// Shows it.
pub(super) fn run(args: &Args, mut item: Item, site: Site<'_>) -> Result<u8, Error> {
    ask_nodes(std::slice::from_mut(&mut item));
    let planned = read(args, &item, site)?;
    let text = match args.format {
        Format::Json => as_json(&item, &planned),
        Format::Text => text(&item, &planned),
    };
    delivery::deliver(text.as_bytes(), None)?;
    Ok(if item.waits(now()) { EXIT_TROUBLE } else { EXIT_HEALTHY })
}

/// The evidence of the case as this diag reads it, and its plan.
fn read(args: &Args, item: &Item, (library, site): Site<'_>) -> Result<Planned, Error> {
    let root = &item.case;
    let began =
        fix::last_began(root)?.ok_or_else(|| Error::new("approvals.none", &item.waiting.id, "waits no more"))?;
    let what = What { formats: args.formats.clone(), quiet: args.quiet, ..fix::again(root, &began, site) };
    let evidence = Evidence { what: &what, library, root, given: Answers::default(), how: &args.how };
    let mut planned = evidence.read(&Answers::default(), false)?;
    let lines = pages(root)?.map(|pages| pages.lines).unwrap_or_default();
    Case::of(&lines)?.marks.tell(&mut planned.plans);
    Ok(planned)
}

/// The step as it is planned now, and what comes after it.
fn now_planned<'a>(item: &Item, planned: &'a Planned) -> Option<(&'a Step, Vec<&'a Step>)> {
    let plan = planned.plans.iter().find(|plan| plan.subject.cause == item.waiting.subject.cause)?;
    let step = plan.step(&item.waiting.step.id)?;
    let after = plan.steps.iter().filter(|after| after.after.as_ref() == Some(&step.id));
    Some((step, after.collect()))
}

fn evidence<'a>(item: &Item, planned: &'a Planned) -> &'a [report::Evidence] {
    let of = planned.report.findings.iter().find(|finding| finding.cause == item.waiting.subject.cause);
    of.map_or(&[], |finding| finding.evidence.as_slice())
}

fn as_json(item: &Item, planned: &Planned) -> String {
    let now_is = now_planned(item, planned);
    let differs = now_is.as_ref().map(|(step, _)| differs(&item.waiting.step, step));
    let lines = evidence(item, planned).iter();
    let whole = json!({
        "schema": "diag.approval/1",
        "approval": tell::as_json(item, now()),
        "runs": item.waiting.step.tasks,
        "after": now_is.map(|(_, after)| after.iter().map(|step| json!({"stage": step.stage, "what": step.title})).collect::<Vec<_>>()),
        "headline": planned.report.headline,
        "evidence": lines.map(|line| json!({"source": line.source, "line": line.line, "text": line.text})).collect::<Vec<_>>(),
        "differs": differs,
    });
    guard::escaped(&serde_json::to_string_pretty(&whole).unwrap_or_default()) + "\n"
}

fn text(item: &Item, planned: &Planned) -> String {
    let (waiting, want) = (&item.waiting, &item.waiting.want);
    let paper = Paper::new(screen::width(false), screen::colour(screen::Color::Auto, false));
    let mut page = Page(paper);
    page.line(&waiting.id, Tone::Strong, &waiting.step.title);
    page.line("case", Tone::Faint, &item.case.display().to_string());
    page.line("cause", Tone::Faint, &cause(item));
    page.line("seen of", Tone::Faint, &tell::seen(item));
    page.line("risk", Tone::Faint, words::risk(&risk(&waiting.step).to_string()));
    page.line("disturbs", Tone::Faint, &waiting.step.disturbs);
    page.line("asked", Tone::Faint, &format!("because {}", want.why));
    for (node, job) in &want.busy {
        page.line("", Tone::Faint, &format!("{node} runs {job}"));
    }
    let (since, until) = (tell::stamp(want.since), tell::stamp(want.until));
    let over = if want.until > now() { "" } else { ", which is over: diag resume asks anew" };
    page.line("waits", Tone::Faint, &format!("since {since}, until {until}{over}"));
    page.line("stale", Tone::Bad, item.gone.as_deref().unwrap_or_default());
    page.head("WHAT WOULD BE RUN");
    waiting.before.iter().for_each(|test| page.line("first", Tone::Faint, &format!("{test} (needs no yes)")));
    steps::shown(&waiting.step).iter().for_each(|line| page.whole(line));
    page.follows(item, planned);
    page.evidence(evidence(item, planned));
    if item.waits(now()) {
        page.0.blank();
        page.line("next", Tone::Faint, &format!("diag approvals approve {}", waiting.id));
        page.line("or", Tone::Faint, &format!("diag approvals refuse {} --because TEXT", waiting.id));
    }
    page.0.finish()
}

fn cause(item: &Item) -> String {
    let subject = &item.waiting.subject;
    let who = words::culprit(&subject.culprit);
    let who = if who.is_empty() { String::new() } else { format!(": {who}") };
    format!("{} ({}){who}", subject.title, words::confidence(subject.confidence))
}

/// The page.
struct Page(Paper);

impl Page {
    /// A line with its label; nothing where there is nothing to say.
    fn line(&mut self, label: &str, tone: Tone, text: &str) {
        if !text.is_empty() {
            self.0.flow(&[Span::new(label, tone)], GUTTER, &[Span::plain(text)]);
        }
    }

    fn head(&mut self, text: &str) {
        self.0.blank();
        self.0.flow(&[Span::new(text, Tone::Strong)], 0, &[]);
    }

    /// A line of what is run, whole: of what is not seen nobody can agree to.
    fn whole(&mut self, line: &str) {
        let letters: Vec<char> = line.chars().collect();
        let wide = if line.is_ascii() { 1 } else { 2 };
        let room = (self.0.width().saturating_sub(2 * INDENT) / wide).max(INDENT);
        for (at, piece) in letters.chunks(room).enumerate() {
            self.0.verbatim(if at == 0 { INDENT } else { 2 * INDENT }, &piece.iter().collect::<String>());
        }
    }

    /// What comes after it, or how it is planned now.
    fn follows(&mut self, item: &Item, planned: &Planned) {
        let Some((step, after)) = now_planned(item, planned) else {
            return self.line("changed", Tone::Bad, "the plan has no such step any more: it would not be done");
        };
        for line in differs(&item.waiting.step, step) {
            self.line("changed", Tone::Bad, &format!("it would not be done: {line}"));
        }
        for step in after {
            let label = if step.stage == Stage::Undo { "else" } else { "then" };
            self.line(label, Tone::Faint, &step.title);
        }
    }

    fn evidence(&mut self, lines: &[report::Evidence]) {
        self.head("THE LINES THAT LED THERE");
        for line in lines.iter().take(LINES) {
            self.0.flow(&[], 2, &[Span::new(format!("{}:{}", line.source, line.line), Tone::Faint)]);
            self.0.verbatim(4, &line.text);
        }
        let more = lines.len().saturating_sub(LINES);
        if more > 0 {
            self.0.flow(&[], 2, &[Span::plain(format!("and {more} more: diag analyze CASE"))]);
        }
    }
}
