//! The report as one page: no network, no script, light or dark, readable on a phone and on paper.
//!
//! `maud` escapes all that is put into the page, and the whole page passes the guard at the end.

mod chain;
mod marks;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Ask, Evidence, Finding, Outcome, Report, guard, words};

/// The playbook that names no cause.
const NO_CAUSE: &str = "undetermined";

/// Nothing is loaded and nothing runs; the page brings its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("style.css");

/// The report as an HTML page.
pub fn render(report: &Report) -> Vec<u8> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="referrer" content="no-referrer";
                title { (words::verdict(report)) ": " (report.headline) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(report))
                main { (body(report)) }
                footer {
                    "Read " (words::read(report)) ". Made by diag " (env!("CARGO_PKG_VERSION"))
                    ". Lines are cited word for word; what acts on a screen is shown as a sign."
                }
            }
        }
    };
    guard::page(&page.into_string()).into_bytes()
}

fn header(report: &Report) -> Markup {
    html! {
        header {
            span class={ "badge " (words::verdict(report).to_lowercase().replace(' ', "-")) } { (words::verdict(report)) }
            h1 { (report.headline) }
            @if let Some(finding) = report.findings.first() { p class="why" { (cited(&finding.explanation)) } }
            (facts(report))
        }
    }
}

fn facts(report: &Report) -> Markup {
    let mut facts: Vec<(&str, String)> = Vec::new();
    if let (Some(finding), Outcome::Diagnosed) = (report.findings.first(), report.outcome) {
        let who = words::culprit(&finding.culprit);
        facts.push(("Culprit", if who.is_empty() { "not told by the lines".to_owned() } else { who }));
        facts.push(("Cause", finding.cause.clone()));
        facts.push(("Confidence", words::confidence(finding.confidence).to_owned()));
        facts.extend(words::last_step(finding, report).map(|step| ("Progress", words::capital(&step))));
    } else {
        facts.extend(report.job.last_step.map(|step| ("Last step", step.to_string())));
    }
    let world = report.timeline.world_size.and_then(|size| u64::try_from(size).ok());
    facts.extend(world.map(|size| ("Ranks of the job", words::number(size))));
    facts.extend(report.timeline.span.as_ref().map(|(from, to)| ("Times told", format!("{from} to {to}"))));
    html! {
        @if !facts.is_empty() {
            dl class="facts" { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
        }
    }
}

fn body(report: &Report) -> Markup {
    let first = report.findings.first();
    let diagnosed = report.outcome == Outcome::Diagnosed;
    html! {
        @if let Some(finding) = first {
            @if diagnosed { (fixes(finding)) } @else { (asks("What to collect", &report.ask)) }
            @if finding.chain.len() > 1 {
                section aria-labelledby="chain" { h2 id="chain" { "From cause to symptom" } (chain::draw(finding, report)) }
            }
        } @else { (asks("What to collect", &report.ask)) }
        (timeline::draw(report))
        @if let Some(finding) = first { (lines("Evidence", "evidence", &finding.evidence)) }
        (lines("Failures that this does not explain", "open", &report.unexplained))
        (others(report))
        (parts(report))
        (lines("At other times or on other nodes: no cause of this", "context", &report.context))
        (clocks(report))
        @if let (Some(finding), true) = (first, diagnosed) { (asks("To be sure", &finding.ask)) (references(finding)) }
        (inputs(report))
        (beside(report))
    }
}

/// Other jobs and attempts, and what came of them.
fn parts(report: &Report) -> Markup {
    html! {
        @if !report.parts.is_empty() {
            section aria-labelledby="parts" {
                h2 id="parts" { "Jobs and attempts" }
                ul { @for part in &report.parts { li { (words::part(part)) } } }
            }
        }
    }
}

/// How the clocks of the inputs were brought together.
fn clocks(report: &Report) -> Markup {
    html! {
        @if !report.clocks.is_empty() {
            section aria-labelledby="clocks" {
                h2 id="clocks" { "Clocks" }
                ul { @for clock in &report.clocks { li { (clock.source) ": " (clock.what) } } }
            }
        }
    }
}

/// Text in which the ids of cited lines lead to them.
fn cited(text: &str) -> Markup {
    let mut rest = text;
    let mut parts = Vec::new();
    while let Some((before, behind)) = rest.split_once("[E") {
        let Some((ids, after)) = behind.split_once(']') else { break };
        parts.push(html! { (before) });
        parts.push(link(ids));
        rest = after;
    }
    parts.push(html! { (rest) });
    html! { @for part in parts { (part) } }
}

fn link(ids: &str) -> Markup {
    let ids: Vec<&str> = ids.split(", ").map(|id| id.trim_start_matches('E')).collect();
    let known = ids.iter().all(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    html! {
        "["
        @for (at, id) in ids.iter().enumerate() {
            @if at > 0 { ", " }
            @if known { a href={ "#E" (id) } { "E" (id) } } @else { "E" (id) }
        }
        "]"
    }
}

fn lines(title: &str, id: &str, lines: &[Evidence]) -> Markup {
    html! {
        @if !lines.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                @for evidence in lines { (line(evidence)) }
            }
        }
    }
}

fn line(evidence: &Evidence) -> Markup {
    let text = &evidence.text;
    let focus = evidence.focus.clone();
    let part = |range: std::ops::Range<usize>| guard::plain(text.get(range).unwrap_or_default()).into_owned();
    let whole = focus.start == 0 && focus.end == text.len();
    html! {
        figure id=(evidence.id) {
            figcaption {
                b { (evidence.id) } " " (words::place(evidence))
                @if evidence.count > 1 { ", " (words::number(evidence.count)) " times" }
                @if let Some(time) = &evidence.time { ", " (time) }
            }
            pre tabindex="0" {
                @if whole { (part(0..text.len())) }
                @else { (part(0..focus.start)) mark { (part(focus.clone())) } (part(focus.end..text.len())) }
            }
        }
    }
}

fn fixes(finding: &Finding) -> Markup {
    html! {
        @if !finding.fixes.is_empty() {
            section aria-labelledby="fixes" {
                h2 id="fixes" { "What to do, best first" }
                ol class="steps" {
                    @for fix in &finding.fixes {
                        li {
                            (fix.title) " " span class="faint" { "(" (words::risk(&fix.risk)) ")" }
                            (commands(&words::commands(fix).iter().map(|words| words.join(" ")).collect::<Vec<_>>()))
                            @if !fix.undo.is_empty() && fix.undo != "none needed" {
                                p class="faint" { "To take it back: " (fix.undo) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn commands(commands: &[String]) -> Markup {
    html! { @if !commands.is_empty() { pre tabindex="0" { (guarded(commands)) } } }
}

fn guarded(commands: &[String]) -> String {
    commands.iter().map(|command| guard::plain(command).into_owned()).collect::<Vec<_>>().join("\n")
}

fn asks(title: &str, asks: &[Ask]) -> Markup {
    html! {
        @if !asks.is_empty() {
            section aria-labelledby="collect" {
                h2 id="collect" { (title) }
                ol class="steps" {
                    @for ask in asks {
                        li {
                            (cited(&words::capital(&ask.what)))
                            @if !ask.command.is_empty() { (commands(std::slice::from_ref(&ask.command))) }
                        }
                    }
                }
            }
        }
    }
}

fn others(report: &Report) -> Markup {
    let diagnosed = report.outcome == Outcome::Diagnosed;
    let others = report.findings.iter().skip(usize::from(diagnosed)).filter(|finding| finding.cause != NO_CAUSE);
    let others: Vec<&Finding> = others.collect();
    html! {
        @if !others.is_empty() {
            section aria-labelledby="others" {
                h2 id="others" { @if diagnosed { "Also found" } @else { "What it can be" } }
                @for finding in others {
                    h3 { (finding.title) " " span class="faint" { "(" (words::confidence(finding.confidence)) ")" } }
                    p { (cited(&finding.explanation)) }
                    @for evidence in finding.evidence.iter().filter(|evidence| !shown(report, evidence)) { (line(evidence)) }
                }
            }
        }
    }
}

/// What stands beside the report and changes nothing of it.
fn beside(report: &Report) -> Markup {
    html! {
        @if !report.history.is_empty() {
            section aria-labelledby="before" {
                h2 id="before" { "Before" }
                p class="faint" { "Known from diag history, and no evidence:" }
                ul { @for line in &report.history { li { (line) } } }
            }
        }
        @if let Some(advice) = &report.advice {
            section aria-labelledby="model" {
                h2 id="model" { (advice.model) " of the same lines (decides nothing)" }
                @if let Some(why) = &advice.failed { p { "No help; the rules alone speak: " (why) } }
                @for claim in &advice.claims { p { (cited(&format!("{} [{}]", claim.text, claim.cites.join(", ")))) } }
                @if !advice.order.is_empty() {
                    p { "Of what is equally sure, it would look first at: " (advice.order.join(", ")) }
                }
                @if let Some(next) = &advice.next { p { "It would go on with: " (next) } }
                @for evidence in &advice.evidence { (line(evidence)) }
            }
        }
        @for note in &report.site_notes {
            section { h2 { "Notes of the site" } p class="faint" { (note.source) } pre tabindex="0" { (guarded(&note.lines)) } }
        }
    }
}

/// Whether a line stands among those of the first finding, so that its id is taken.
fn shown(report: &Report, evidence: &Evidence) -> bool {
    report.findings.first().is_some_and(|first| first.evidence.iter().any(|other| other.id == evidence.id))
}

fn references(finding: &Finding) -> Markup {
    html! {
        p class="faint" { "More on this cause: " code { "diag explain " (finding.cause) } }
        @if !finding.references.is_empty() {
            ul { @for reference in &finding.references { li { (reference) } } }
        }
    }
}

fn inputs(report: &Report) -> Markup {
    const MOST: usize = 50;
    html! {
        section aria-labelledby="inputs" {
            h2 id="inputs" { "What was read" }
            div class="scroll" {
                table {
                    thead { tr { th scope="col" { "Input" } th scope="col" class="n" { "Lines" } th scope="col" class="n" { "Size" }
                        th scope="col" class="n" { "Events" } th scope="col" class="n" { "Not understood" } } }
                    tbody {
                        @for input in report.inputs.iter().take(MOST) {
                            tr { td { (input.source) } td class="n" { (words::number(input.lines)) } td class="n" { (words::bytes(input.bytes)) }
                                td class="n" { (words::number(input.events)) }
                                td class="n" { (format!("{:.1} %", input.not_understood * 100.0)) } }
                        }
                    }
                }
            }
            @if report.inputs.len() > MOST { p class="faint" { "and " (words::count((report.inputs.len() - MOST) as u64, "more file")) } }
            @for note in &report.notes { p { (note.source) ": " (note.what) " " span class="faint" { "[" (note.code) "]" } } }
        }
    }
}
