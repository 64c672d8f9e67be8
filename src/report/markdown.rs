//! The report as markdown, for a ticket: GitHub, GitLab, and near enough Jira.
//!
//! Log text stands in code, where nothing is markup, a mention or a link.

use super::{Ask, Evidence, Finding, Outcome, Report, guard, words};

/// The playbook that names no cause.
const NO_CAUSE: &str = "undetermined";

/// The report as markdown.
pub fn render(report: &Report) -> Vec<u8> {
    let mut page = Page::default();
    let first = report.findings.first();
    page.part(format!("## {}: {}", words::verdict(report), prose(&report.headline)));
    if let Some(finding) = first {
        page.part(prose(&finding.explanation));
    }
    facts(&mut page, report);
    if let Some(finding) = first {
        chain(&mut page, finding, report);
        evidence(&mut page, "Evidence", &finding.evidence);
        if report.outcome == Outcome::Diagnosed {
            fixes(&mut page, finding);
        }
    }
    others(&mut page, report);
    evidence(&mut page, "Failures that this does not explain", &report.unexplained);
    collect(&mut page, report);
    parts(&mut page, report);
    evidence(&mut page, "At other times or on other nodes: no cause of this", &report.context);
    clocks(&mut page, report);
    notes(&mut page, report);
    beside(&mut page, report);
    page.text.into_bytes()
}

/// Parts of a page, an empty line between them.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn part(&mut self, text: impl AsRef<str>) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text.as_ref());
        self.text.push('\n');
    }
}

/// Text of ours that may hold words of a log: each word that could be markup, a mention or a link becomes code.
pub(crate) fn prose(text: &str) -> String {
    let acts = |word: &str| {
        let cites = word.starts_with("[E") || (word.starts_with('E') && word.ends_with([']', '.', ',']));
        let marks = "`*_#@<>|~$&\\[]{}!";
        word.starts_with(['/', '-', '+', '=', ':'])
            || word.contains("://")
            || word.contains("www.")
            || (!cites && word.contains(|c| marks.contains(c)))
            || (cites && word.contains(|c| "`*_#@<>|~$&\\{}!".contains(c)))
    };
    let safe = guard::plain(text);
    let words: Vec<&str> = safe.split(' ').collect();
    let runs = words.chunk_by(|a, b| acts(a) == acts(b)).map(|run| (acts(run[0]), run.join(" ")));
    runs.map(|(acts, run)| if acts { code(&run) } else { run }).collect::<Vec<_>>().join(" ")
}

/// Text as code, within a line; bars are escaped, for tables.
pub(crate) fn code(text: &str) -> String {
    let safe = guard::plain(text).replace('|', "\\|");
    let fence = "`".repeat(longest_run(&safe) + 1);
    let pad = if safe.starts_with('`') || safe.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{safe}{pad}{fence}")
}

/// A block of code; its fence is longer than any in the text.
fn block(language: &str, lines: &[String]) -> String {
    let safe: Vec<String> = lines.iter().map(|line| guard::plain(line).into_owned()).collect();
    let longest = safe.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}", safe.join("\n"))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn facts(page: &mut Page, report: &Report) {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let (Some(finding), Outcome::Diagnosed) = (report.findings.first(), report.outcome) {
        rows.push(("Cause", code(&finding.cause)));
        rows.push(("Confidence", words::confidence(finding.confidence).to_owned()));
        let who = words::culprit(&finding.culprit);
        rows.push(("Culprit", if who.is_empty() { "not told".to_owned() } else { prose(&who) }));
        rows.extend(words::last_step(finding, report).map(|step| ("Progress", prose(&step))));
    }
    rows.extend(report.timeline.world_size.map(|size| ("Ranks", size.to_string())));
    rows.extend(report.timeline.span.as_ref().map(|(from, to)| ("Times", prose(&format!("{from} to {to}")))));
    rows.push(("Read", words::read(report)));
    let rows: Vec<String> = rows.iter().map(|(name, value)| format!("| {name} | {value} |")).collect();
    page.part(format!("| Fact | Value |\n|---|---|\n{}", rows.join("\n")));
}

fn chain(page: &mut Page, finding: &Finding, report: &Report) {
    if finding.chain.len() < 2 {
        return;
    }
    page.part("### From cause to symptom");
    let mut rows = vec!["| When | Where | What | Lines |".to_owned(), "|---|---|---|---|".to_owned()];
    for link in &finding.chain {
        let whom = prose(&words::whom(link, report));
        let (when, what) = (words::when(link), prose(&words::happened(link)));
        rows.push(format!("| {when} | {whom} | {what} | {} |", words::number(link.events)));
    }
    page.part(rows.join("\n"));
}

fn evidence(page: &mut Page, title: &str, lines: &[Evidence]) {
    if lines.is_empty() {
        return;
    }
    page.part(format!("### {title}"));
    for evidence in lines {
        let times =
            if evidence.count > 1 { format!(", {} times", words::number(evidence.count)) } else { String::new() };
        page.part(format!("**{}** {}{times}", evidence.id, code(&words::place(evidence))));
        page.part(block("text", &[evidence.text.trim().to_owned()]));
    }
}

fn fixes(page: &mut Page, finding: &Finding) {
    if finding.fixes.is_empty() {
        return;
    }
    page.part("### What to do, best first");
    for (at, fix) in finding.fixes.iter().enumerate() {
        page.part(format!("{}. {} ({})", at + 1, prose(&fix.title), words::risk(&fix.risk)));
        let commands: Vec<String> = words::commands(fix).iter().map(|words| words.join(" ")).collect();
        if !commands.is_empty() {
            page.part(block("sh", &commands));
        }
    }
}

fn others(page: &mut Page, report: &Report) {
    let diagnosed = report.outcome == Outcome::Diagnosed;
    let others = report.findings.iter().skip(usize::from(diagnosed)).filter(|finding| finding.cause != NO_CAUSE);
    let lines: Vec<String> = others
        .map(|finding| {
            let who = words::culprit(&finding.culprit);
            let who = if who.is_empty() { who } else { format!(": {who}") };
            let about = prose(&format!("{}{who}", finding.title));
            format!("- {about} ({}, {})", code(&finding.cause), words::confidence(finding.confidence))
        })
        .collect();
    if !lines.is_empty() {
        page.part(if diagnosed { "### Also found" } else { "### What it can be" });
        page.part(lines.join("\n"));
    }
}

fn parts(page: &mut Page, report: &Report) {
    if !report.parts.is_empty() {
        let lines = report.parts.iter().map(|part| format!("- {}", prose(&words::part(part))));
        page.part(format!("### Jobs and attempts\n\n{}", lines.collect::<Vec<_>>().join("\n")));
    }
}

fn clocks(page: &mut Page, report: &Report) {
    if !report.clocks.is_empty() {
        let lines = report.clocks.iter().map(|clock| format!("- {}: {}", code(&clock.source), prose(&clock.what)));
        page.part(format!("### Clocks\n\n{}", lines.collect::<Vec<_>>().join("\n")));
    }
}

fn collect(page: &mut Page, report: &Report) {
    let own = report.findings.first().map(|finding| finding.ask.as_slice()).unwrap_or_default();
    let asks: &[Ask] = if report.outcome == Outcome::Diagnosed { own } else { &report.ask };
    if asks.is_empty() {
        return;
    }
    page.part(if report.outcome == Outcome::Diagnosed { "### To be sure" } else { "### What to collect" });
    for (at, ask) in asks.iter().enumerate() {
        page.part(format!("{}. {}", at + 1, prose(&words::capital(&ask.what))));
        if !ask.command.is_empty() {
            page.part(block("sh", std::slice::from_ref(&ask.command)));
        }
    }
}

fn notes(page: &mut Page, report: &Report) {
    if report.notes.is_empty() {
        return;
    }
    page.part("### Notes on the reading");
    let lines = report.notes.iter().map(|note| format!("- {}: {}", code(&note.source), prose(&note.what)));
    page.part(lines.collect::<Vec<_>>().join("\n"));
}

/// What stands beside the report and changes nothing of it.
fn beside(page: &mut Page, report: &Report) {
    if !report.history.is_empty() {
        page.part("### Before (known from `diag history`, and no evidence)");
        page.part(report.history.iter().map(|line| format!("- {}", prose(line))).collect::<Vec<_>>().join("\n"));
    }
    if let Some(advice) = &report.advice {
        page.part(format!("### {} of the same lines (decides nothing)", prose(&words::capital(&advice.model))));
        let claim = |claim: &super::Claim| format!("- {} [{}]", prose(&claim.text), claim.cites.join(", "));
        let mut lines: Vec<String> = advice.claims.iter().map(claim).collect();
        if !advice.order.is_empty() {
            lines.push(format!(
                "- Of what is equally sure, it would look first at: {}",
                prose(&advice.order.join(", "))
            ));
        }
        lines.extend(advice.next.iter().map(|next| format!("- It would go on with: {}", prose(next))));
        lines.extend(advice.failed.iter().map(|why| format!("- No help; the rules alone speak: {}", prose(why))));
        page.part(lines.join("\n"));
        evidence(page, "Lines that it asked for", &advice.evidence);
    }
    for note in &report.site_notes {
        page.part(format!("### Notes of the site, {}", code(&note.source)));
        page.part(block("text", &note.lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_log_are_no_markup() {
        assert_eq!(prose("asks @ops to see #12 [E1]."), "asks `@ops` to see `#12` [E1].");
        assert_eq!(prose("a|b <b>x</b>"), "`a\\|b <b>x</b>`");
        assert_eq!(prose("see https://x.example [x](y)"), "see `https://x.example [x](y)`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(block("text", &["````".to_owned()]), "`````text\n````\n`````");
    }
}
