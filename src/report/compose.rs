//! From ranked matches to a report: who, why, what proves it, what to do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use diag_parsers::{Catalogue, Name, Says, Value, rank_list};

use super::clock::Times;
use super::judged::{Judged, first, others};
use super::known::Known;
use super::{Consequence, Evidence, Finding, Fix, Input, JobFacts, Link, Note, PartFacts, Report, Role, SCHEMA, Stats};
use super::{Test, clocks, timeline, words};
use crate::diagnose::{Match, Ranked, considered, culprit, kind_fits, offered, tested, values};
use crate::evidence::{Part, Row, RowId, RowSet, Table, context, parts};
use crate::playbook::schema::{By, FixFile, Undo};
use crate::playbook::{Piece, Playbook, Template};
use crate::verdict::{Ask, Culprit, Outcome};

/// Most lines cited for one clue.
const MOST_CITED: usize = 6;

/// Most roots that are told.
const MOST_FINDINGS: usize = 5;

/// Most links of a chain.
const MOST_LINKS: usize = 6;

/// What a report is made of, beside the table.
#[derive(Debug)]
pub struct Task<'a> {
    /// The causes that the symptom is about, `*` as a wildcard: of findings that are as sure, theirs are told first.
    pub about: &'a [String],
    /// The playbooks to consider.
    pub playbooks: Vec<&'a Playbook>,
    /// The formats, for what kinds mean.
    pub catalogue: &'a Catalogue,
    /// What was read.
    pub inputs: Vec<Input>,
    /// Remarks on the reading.
    pub notes: Vec<Note>,
}

/// Diagnoses a table: each of its jobs and attempts by itself, the one that counts first.
pub fn compose(table: &Table, job: Task<'_>) -> Report {
    let parts = parts(table);
    let judged: Vec<Judged<'_>> = parts.iter().map(|part| Judged::of(part, &job.playbooks)).collect();
    let main = first(&judged);
    let mut ids = Ids::default();
    let Judged { part, outcome, ranked } = &judged[main];
    let (table, outcome) = (&part.table, *outcome);
    let roots = in_order(ranked, job.about);
    let times = Times::of(table);
    let mut teller = Teller::new(part, job.catalogue, &times, &mut ids);
    let mut findings: Vec<Finding> =
        roots.iter().take(MOST_FINDINGS).map(|root| teller.finding(root, ranked)).collect();
    let cause: RowSet = roots.first().map(|root| told_by(table, root.found.needed())).unwrap_or_default();
    let explained: RowSet = roots.iter().flat_map(|root| root.explained.iter().copied()).collect();
    let unexplained: Vec<RowId> = table.troubles().filter(|row| !explained.contains(row)).collect();
    let few =
        |rows: &[RowId], teller: &mut Teller<'_>| rows.iter().take(MOST_CITED).map(|row| teller.cite(*row)).collect();
    let context: Vec<RowId> = context(table).collect();
    let told_unexplained = few(&unexplained, &mut teller);
    let told_context = few(&context, &mut teller);
    let clocks = clocks::told(table, &mut |row| teller.cite(row));
    let facts = facts(table);
    let timeline = timeline::of(table, &times, &cause);
    let others = others(&judged, main, job.catalogue, &mut ids);
    let told = |(at, (facts, finding)): (usize, (PartFacts, Option<Finding>))| {
        let another = judged[at].part.job != judged[main].part.job && at != main;
        (facts, finding.filter(|_| another && outcome != Outcome::Healthy))
    };
    let (parts, more): (Vec<PartFacts>, Vec<Option<Finding>>) = others.into_iter().enumerate().map(told).unzip();
    findings.extend(more.into_iter().flatten());
    for finding in &mut findings {
        finding.outside = !job.about.iter().any(|pattern| kind_fits(pattern, &finding.cause));
    }
    let kinds = |rows: &[RowId]| rows.iter().map(|row| table.rows[*row].kind).collect();
    let sum = |rows: &[RowId]| rows.iter().map(|row| table.rows[*row].count).sum();
    Report {
        schema: SCHEMA,
        outcome,
        headline: headline(outcome, findings.first(), table, &job.inputs),
        ask: asks(outcome, &findings, &job.playbooks, &kinds(&unexplained), table),
        unexplained: told_unexplained,
        unexplained_events: sum(&unexplained),
        parts: if judged.len() > 1 { parts } else { Vec::new() },
        context: told_context,
        context_events: sum(&context),
        clocks,
        job: facts,
        findings,
        timeline,
        inputs: job.inputs,
        notes: job.notes,
        history: Vec::new(),
        site_notes: Vec::new(),
        advice: None,
        stats: Stats::default(),
    }
}

/// Rows, and those that they were derived from.
fn told_by(table: &Table, rows: impl Iterator<Item = RowId>) -> RowSet {
    let mut all = RowSet::default();
    let mut open: Vec<RowId> = rows.collect();
    while let Some(row) = open.pop() {
        if all.insert(row) {
            open.extend(&table.rows[row].parents);
        }
    }
    all
}

/// The roots of what was found, the answer first.
fn in_order<'r, 'p>(ranked: &'r [Ranked<'p>], about: &[String]) -> Vec<&'r Ranked<'p>> {
    let mut roots: Vec<&Ranked<'_>> = ranked.iter().filter(|ranked| ranked.root).collect();
    let outside = |playbook: &Playbook| !considered(about, playbook);
    roots.sort_by_key(|root| (Reverse(root.found.confidence), outside(root.found.playbook)));
    roots
}

/// The job or attempt that a report tells of, and its findings in the same order, for whoever does something about them.
#[must_use]
pub fn roots<'a>(
    parts: &'a [Part<'a>],
    about: &[String],
    playbooks: &[&'a Playbook],
) -> (&'a Part<'a>, Vec<Match<'a>>) {
    let judged: Vec<Judged<'a>> = parts.iter().map(|part| Judged::of(part, playbooks)).collect();
    let Judged { part, ranked, .. } = &judged[first(&judged)];
    (part, in_order(ranked, about).into_iter().take(MOST_FINDINGS).map(|root| root.found.clone()).collect())
}

/// The names `E1`, `E2`, … of lines that are cited: one a line and kind, whichever job or attempt it is told of.
#[derive(Default)]
pub(super) struct Ids(BTreeMap<(usize, u64, Name), String>);

impl Ids {
    fn get(&self, row: &Row) -> Option<&str> {
        self.0.get(&(row.source, row.line, row.kind)).map(String::as_str)
    }

    /// The name of a row, which gets one when it is first cited.
    fn name(&mut self, row: &Row) -> String {
        let next = self.0.len() + 1;
        self.0.entry((row.source, row.line, row.kind)).or_insert_with(|| format!("E{next}")).clone()
    }
}

fn facts(table: &Table) -> JobFacts {
    let survived = |row: &&Row| row.survived && matches!(row.says, Says::Failure | Says::Teardown);
    JobFacts {
        id: table.job.window.job.clone(),
        ranks: table.job.ranks.len() as u64,
        last_step: table.trail.iter().map(|advance| advance.step).max(),
        survived: table.rows.iter().filter(survived).map(|row| row.count).sum(),
    }
}

fn headline(outcome: Outcome, first: Option<&Finding>, table: &Table, inputs: &[Input]) -> String {
    match (outcome, first) {
        (Outcome::Diagnosed, Some(finding)) => match words::culprit(&finding.culprit) {
            who if who.is_empty() => finding.title.clone(),
            who => format!("{}: {who}", finding.title),
        },
        (Outcome::Undetermined, _) => "It failed, and what was read does not decide why".to_owned(),
        _ if words::nothing_known(inputs) => {
            "No line is of a kind that diag knows, which says nothing of the run: is this the output of a job?"
                .to_owned()
        }
        _ => match table.job.ranks.len() {
            0 | 1 => "Nothing wrong found".to_owned(),
            ranks => format!("Nothing wrong found on {ranks} ranks"),
        },
    }
}

/// The playbook whose questions are asked where no finding has any.
const NO_CAUSE: &str = "undetermined";

/// What would decide: asked for where nothing is decided.
fn asks(
    outcome: Outcome,
    findings: &[Finding],
    playbooks: &[&Playbook],
    open: &HashSet<Name>,
    table: &Table,
) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    if outcome != Outcome::Undetermined {
        return asks;
    }
    for ask in findings.iter().flat_map(|finding| &finding.ask) {
        if !asks.contains(ask) {
            asks.push(ask.clone());
        }
    }
    if asks.is_empty() {
        let general = playbooks.iter().find(|playbook| playbook.id == NO_CAUSE);
        let all = general.and_then(|playbook| playbook.explain.otherwise.clone()).map(|o| o.ask).unwrap_or_default();
        let known = Known::of(table, &Culprit::default());
        let fill = |ask: &Ask| Ask { command: known.put_into(&ask.command), ..ask.clone() };
        asks.extend(apt(&all, |patterns| open.iter().any(|kind| is_one_of(kind, patterns))).map(fill));
    }
    asks
}

fn is_one_of(kind: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| kind_fits(pattern, kind))
}

/// The questions about such lines; where there are none, those about any.
fn apt(all: &[Ask], fits: impl Fn(&[String]) -> bool) -> impl Iterator<Item = &Ask> {
    let fits = move |ask: &Ask| !ask.about.is_empty() && fits(&ask.about);
    let some = all.iter().any(&fits);
    all.iter().filter(move |ask| if some { fits(ask) } else { ask.about.is_empty() })
}

/// Tells of one job or attempt.
pub(super) struct Teller<'a> {
    part: &'a Part<'a>,
    table: &'a Table,
    catalogue: &'a Catalogue,
    times: &'a Times,
    ids: &'a mut Ids,
}

impl<'a> Teller<'a> {
    pub(super) fn new(part: &'a Part<'a>, catalogue: &'a Catalogue, times: &'a Times, ids: &'a mut Ids) -> Self {
        Self { part, table: &part.table, catalogue, times, ids }
    }

    pub(super) fn finding(&mut self, root: &Ranked<'_>, all: &[Ranked<'_>]) -> Finding {
        let found = &root.found;
        let playbook = found.playbook;
        let (culprit, everyone) = culprit(found, self.table);
        let known = Known::of(self.table, &culprit);
        let evidence = self.cited(found);
        let explanation = self.explain(found);
        Finding {
            cause: playbook.id.clone(),
            outside: false,
            part: Some(self.part.name.clone()).filter(|name| !name.is_empty()),
            title: playbook.title.clone(),
            confidence: found.confidence,
            culprit: numbered(culprit),
            everyone,
            explanation,
            evidence,
            chain: self.chain(root),
            consequences: root.consequences.iter().map(|at| consequence(&all[*at], self.table)).collect(),
            fixes: playbook
                .fix
                .iter()
                .filter(|fix| offered(fix, found))
                .map(|fix| self.fix(fix, found, &known))
                .collect(),
            tests: playbook
                .test
                .iter()
                .filter(|(_, test)| tested(test, found))
                .map(|(id, test)| Test {
                    id: id.clone(),
                    title: test.title.clone(),
                    risk: test.risk.map_or_else(String::new, |risk| risk.to_string()),
                })
                .collect(),
            ask: self.ask(found, &known),
            references: playbook.references.clone(),
        }
    }

    /// The lines that decide: those of needs, then those of supports, a few a clue.
    fn cited(&mut self, found: &Match<'_>) -> Vec<Evidence> {
        let rows = found.bound.keys().flat_map(|clue| cited_rows(found, clue, self.table)).collect::<Vec<_>>();
        let mut seen = HashSet::new();
        rows.into_iter().map(|row| self.cite(row)).filter(|told| seen.insert(told.id.clone())).collect()
    }

    /// A row as evidence; it gets an id when it is first cited.
    fn cite(&mut self, id: RowId) -> Evidence {
        let row = &self.table.rows[id];
        let name = self.ids.name(row);
        Evidence::of(row, name, self.table, self.catalogue)
    }

    fn explain(&mut self, found: &Match<'_>) -> String {
        let explain = &found.playbook.explain;
        let mut parts = vec![explain.what.as_str()];
        parts.extend(
            explain
                .because
                .iter()
                .filter(|(clue, _)| found.bound.contains_key(clue.as_str()))
                .map(|(_, text)| text.as_str()),
        );
        let supported = found.playbook.supports.keys().any(|clue| found.bound.contains_key(clue.as_str()));
        if let Some(otherwise) = explain.otherwise.as_ref().filter(|_| !supported) {
            parts.push(otherwise.text.as_str());
        }
        parts.retain(|part| !part.is_empty());
        self.fill(&parts.join(" "), found)
    }

    fn fill(&self, text: &str, found: &Match<'_>) -> String {
        let cite = |clue: &str| {
            let rows = cited_rows(found, clue, self.table);
            let ids: Vec<&str> = rows.iter().filter_map(|row| self.ids.get(&self.table.rows[*row])).collect();
            if ids.is_empty() { String::new() } else { format!("[{}]", ids.join(", ")) }
        };
        let said = Template::parse(text).fill(&|clue, field| told_shortly(found, self.table, clue, field), &cite);
        words::agreed(&words::sized(&said.replace("Rank (not told)", "A rank").replace("rank (not told)", "a rank")))
    }

    /// A command line of a playbook: what a log says gets into it only where no shell can take it for more than a word.
    fn fill_command(&self, text: &str, found: &Match<'_>) -> String {
        let field = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field { clue, fields, otherwise } => fields
                .iter()
                .find_map(|field| told(found, self.table, clue, field, Telling::Word))
                .filter(|said| words::harmless(said))
                .or_else(|| otherwise.clone())
                .unwrap_or_else(|| fields.first().map_or_else(String::new, |field| field.to_uppercase())),
            Piece::Cite(clue) => format!("[{clue}]"),
        };
        Template::parse(text).0.iter().map(field).collect()
    }

    fn ask(&self, found: &Match<'_>, known: &Known) -> Vec<Ask> {
        let otherwise = found.playbook.explain.otherwise.as_ref();
        let fill = |ask: &Ask| Ask {
            what: self.fill(&ask.what, found),
            command: known.put_into(&self.fill_command(&ask.command, found)),
            about: Vec::new(),
        };
        let kinds: HashSet<Name> = found.needed().map(|row| self.table.rows[row].kind).collect();
        let all = otherwise.map(|otherwise| otherwise.ask.as_slice()).unwrap_or_default();
        apt(all, |patterns| kinds.iter().all(|kind| is_one_of(kind, patterns))).map(fill).collect()
    }

    fn fix(&self, fix: &FixFile, found: &Match<'_>, known: &Known) -> Fix {
        let fill = |text: &str, tell: Telling| {
            Template::parse(text)
                .fill(&|clue, field| parameter(fix, found, self.table, clue, field, tell), &|_| String::new())
        };
        let text = |text: &str| fill(text, Telling::Sentence);
        let word = |text: &str| fill(text, Telling::Word);
        let to: Vec<String> = fix.on.iter().flat_map(|on| way_to(&word(&format!("{{{on}}}")))).collect();
        let argv = |list: &Vec<Vec<String>>| {
            let typed = |argv: &Vec<String>| {
                to.iter().cloned().chain(argv.iter().map(|arg| known.put_into(&word(arg)))).collect()
            };
            list.iter().map(typed).collect::<Vec<Vec<String>>>()
        };
        Fix {
            id: fix.id.clone(),
            title: untold(&text(&fix.title)),
            risk: fix.risk.to_string(),
            by: if fix.by == By::Diag { "diag" } else { "hands" }.to_owned(),
            commands: argv(&fix.commands),
            env: fix.env.iter().map(|(name, value)| (name.clone(), word(value))).collect(),
            undo: match &fix.undo {
                Undo::Say(sentence) => text(sentence),
                Undo::Do(list) => argv(list).iter().map(|argv| argv.join(" ")).collect::<Vec<_>>().join("; "),
                Undo::Script(_) => "diag puts back what was there".to_owned(),
            },
        }
    }

    /// From the cause to what people saw last: one link a kind of trouble, in order.
    fn chain(&mut self, root: &Ranked<'_>) -> Vec<Link> {
        let anchor = root.found.anchor();
        let mut kinds: BTreeMap<&str, Vec<RowId>> = BTreeMap::new();
        for row in self.table.troubles().filter(|row| root.explained.contains(row)) {
            kinds.entry(self.table.rows[row].kind).or_default().push(row);
        }
        let own = self.table.rows[anchor].kind;
        kinds.remove(own);
        let mut effects: Vec<Vec<RowId>> = kinds.into_values().collect();
        let place = |row: RowId| (self.table.rows[row].source, self.table.rows[row].line);
        let timed = effects.iter().all(|rows| self.times.get(rows[0]).is_some());
        effects.sort_by_key(|rows| {
            let at = self.times.get(rows[0]).filter(|_| timed).map(|when| when.micros);
            (at, place(rows[0]))
        });
        // Two kinds of event on one line are one thing that happened.
        let line = |rows: &[RowId]| (self.table.rows[rows[0]].source, self.table.rows[rows[0]].line);
        let mut told = HashSet::from([line(&[anchor])]);
        effects.retain(|rows| told.insert(line(rows)));
        effects.truncate(MOST_LINKS - 1);
        let mut links =
            vec![self.link(Role::Cause, anchor, root.found.bound.values().next().cloned().unwrap_or_default())];
        let last = effects.len();
        for (at, rows) in effects.into_iter().enumerate() {
            let role = if at + 1 == last { Role::Symptom } else { Role::Effect };
            links.push(self.link(role, anchor, rows));
        }
        links
    }

    fn link(&mut self, role: Role, anchor: RowId, rows: Vec<RowId>) -> Link {
        let first = rows.first().copied().unwrap_or(anchor);
        let mut ranks: Vec<i64> = rows.iter().filter_map(|row| self.table.rows[*row].rank()).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let row = &self.table.rows[first];
        let after = self.times.between(anchor, first);
        Link {
            role,
            what: words::derived(row.kind).map_or_else(|| self.catalogue.about(row.kind), str::to_owned),
            time: row.at.map(|at| at.to_string()),
            since: self.times.before(first).and_then(|row| self.table.rows[row].at).map(|at| at.to_string()),
            after_s: after.map(|(seconds, _)| seconds),
            about: after.is_some_and(|(_, about)| about),
            ranks,
            events: rows.iter().map(|row| self.table.rows[*row].count).sum(),
            example: self.cite(first),
        }
    }
}

/// What a person types in front of a command for a host, or for several.
fn way_to(hosts: &str) -> Vec<String> {
    let several = hosts.contains(['[', ',']);
    let words = if several { vec!["pdsh", "-w"] } else { vec!["ssh"] };
    words.into_iter().map(str::to_owned).chain([hosts.to_owned()]).collect()
}

/// The rows of a clue that are cited: the picked ones, derived facts by their parents.
fn cited_rows(found: &Match<'_>, clue: &str, table: &Table) -> Vec<RowId> {
    let mut rows = Vec::new();
    for row in found.picked(clue) {
        match table.rows[*row].parents.as_slice() {
            [] => rows.push(*row),
            parents => rows.extend(parents.iter().take(MOST_CITED)),
        }
        if rows.len() >= MOST_CITED {
            break;
        }
    }
    // Two statements of one line are one line of evidence.
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert((table.rows[*row].source, table.rows[*row].offset)));
    rows.truncate(MOST_CITED);
    rows
}

/// A value as a sentence bears it: the evidence holds the whole.
fn short(said: String) -> String {
    const MOST: usize = 240;
    match said.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &said[..at]),
        None => said,
    }
}

/// What a clue's field says, as a sentence bears it.
pub(crate) fn told_shortly(found: &Match<'_>, table: &Table, clue: &str, field: &str) -> Option<String> {
    told(found, table, clue, field, Telling::Sentence).map(short)
}

/// Where the values of a field are told side by side.
#[derive(Debug, Clone, Copy)]
enum Telling {
    /// In a sentence: a few of them.
    Sentence,
    /// In a word of a command: all, as lists of hosts are typed.
    Word,
}

impl Telling {
    /// Most values of a sentence.
    const FEW: usize = 4;

    fn side_by_side(self, mut texts: Vec<String>) -> String {
        match self {
            Self::Word => texts.join(","),
            Self::Sentence => {
                let more = texts.len().saturating_sub(Self::FEW);
                texts.truncate(Self::FEW);
                texts.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
            }
        }
    }
}

/// What a clue's field says: of all picked rows where they differ.
fn told(found: &Match<'_>, table: &Table, clue: &str, field: &str, tell: Telling) -> Option<String> {
    let values = values(found, table, &format!("{clue}.{field}"));
    if field == "rank" {
        let ranks: Vec<i64> = values.iter().filter_map(Value::int).collect();
        return (!ranks.is_empty()).then(|| rank_list(&ranks));
    }
    let mut texts: Vec<String> = Vec::new();
    for text in values.iter().map(ToString::to_string).filter(|text| !text.is_empty()) {
        // `Liveness` at the start of one message is `liveness` within another.
        if !texts.iter().any(|known| known.eq_ignore_ascii_case(&text)) {
            texts.push(text);
        }
    }
    (!texts.is_empty()).then(|| tell.side_by_side(texts))
}

/// A fix's parameter: from its clue, or its default; a person fills in the rest.
fn parameter(fix: &FixFile, found: &Match<'_>, table: &Table, clue: &str, name: &str, tell: Telling) -> Option<String> {
    if !clue.is_empty() {
        return told(found, table, clue, name, tell);
    }
    let parameter = fix.params.get(name)?;
    let told =
        parameter.from.as_deref().and_then(|path| path.split('|').find_map(|path| from(found, table, path, tell)));
    let default = parameter.default.as_ref().map(ToString::to_string);
    told.or(default).or_else(|| Some(format!("<{name}>")))
}

/// What `clue.field` tells; `culprit.node` is whom the finding blames.
fn from(found: &Match<'_>, table: &Table, path: &str, tell: Telling) -> Option<String> {
    let (clue, field) = path.split_once('.')?;
    if clue != "culprit" {
        return told(found, table, clue, field, tell);
    }
    let (blamed, _) = culprit(found, table);
    let names = match field {
        "node" => blamed.nodes,
        "gpu" => blamed.gpus,
        "job" => blamed.jobs,
        _ => Vec::new(),
    };
    (!names.is_empty()).then(|| tell.side_by_side(names))
}

/// With GPUs of which only the index is known told as tools print them: `GPU 3`.
fn numbered(mut culprit: Culprit) -> Culprit {
    for gpu in culprit.gpus.iter_mut().filter(|gpu| gpu.parse::<u32>().is_ok()) {
        *gpu = format!("GPU {gpu}");
    }
    culprit
}

/// A title without what is not told: `Correct the program: <file> line <line>` ends before the colon, `<node>` is the node.
fn untold(title: &str) -> String {
    let Some(open) = title.find('<') else { return title.to_owned() };
    match title.rsplit_once(": ") {
        Some((head, _)) if head.len() < open => head.to_owned(),
        _ => title.replace('<', "the ").replace('>', ""),
    }
}

fn consequence(ranked: &Ranked<'_>, table: &Table) -> Consequence {
    let playbook = ranked.found.playbook;
    Consequence {
        cause: playbook.id.clone(),
        title: playbook.title.clone(),
        events: ranked.found.needed().map(|row| table.rows[row].count).sum(),
    }
}
