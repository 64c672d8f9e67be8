//! What the catalogue knows of a cause or of a number, as text: for `diag explain`.

use diag_parsers::Catalogue;
use serde_json::{Map, Value};

use super::Look;
use super::paper::{Paper, Span, Tone};
use crate::diagnose::kind_fits;
use crate::playbook::schema::{Clue, Condition, FixFile};
use crate::playbook::{Piece, Playbook, Template};
use crate::report::words;

/// Most kinds of line that are told of one clue, and of all that a cause brings about.
const FEW: usize = 4;
const MANY: usize = 12;

/// Columns of what stands under a heading.
const INDENT: usize = 2;

/// Everything about a cause; `others` are the causes that there are.
pub fn cause(playbook: &Playbook, others: &[&Playbook], catalogue: &Catalogue, look: Look) -> String {
    let mut manual = Manual { paper: Paper::new(look.width, look.colour), catalogue };
    manual.title(&playbook.id, &playbook.title);
    manual.heading("What happens");
    manual.prose(&playbook.summary);
    manual.clues("It must show", playbook.needs.values());
    manual.clues("Any of these makes it surer", playbook.supports.values());
    manual.clues("Any of these speaks against it", playbook.excludes.values());
    let brought = playbook.echoes.iter().flat_map(|echo| &echo.kinds);
    manual.list("What it brings about elsewhere", &manual.told(brought.map(String::as_str), MANY));
    manual.list("What shows the same lines", &alike(playbook, others));
    manual.fixes(playbook);
    let tests: Vec<String> = playbook.test.values().map(|test| test.title.clone()).collect();
    manual.list("What would prove it", &tests);
    manual.asks(playbook);
    manual.list("To read more", &playbook.references);
    manual.paper.finish()
}

/// An entry of a numbered table: `XID 79`, key by key.
pub fn entry(title: &str, entry: &Map<String, Value>, look: Look) -> String {
    const KEY: usize = 22;
    let mut paper = Paper::new(look.width, look.colour);
    let said = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let name = entry.get("name").map(said).unwrap_or_default();
    paper.flow(&[Span::new(title, Tone::Strong), Span::plain("  ")], INDENT, &[Span::plain(name)]);
    paper.blank();
    for (key, value) in entry.iter().filter(|(key, _)| *key != "name") {
        let value = said(value);
        if !value.is_empty() {
            let key = words::capital(&key.replace('_', " ")).replace("Dcgm", "DCGM").replace("Xid154", "Xid 154");
            paper.flow(&[Span::new(format!("  {key}"), Tone::Strong), Span::plain(" ")], KEY, &[Span::plain(value)]);
        }
    }
    paper.finish()
}

/// Names with what they are, in columns.
pub fn table(rows: &[(String, String)], look: Look) -> String {
    let mut paper = Paper::new(look.width, look.colour);
    let wide = rows.iter().map(|(name, _)| Span::plain(name).width()).max().unwrap_or(0) + 2;
    for (name, what) in rows {
        let lead = if what.is_empty() { Span::new(name, Tone::Strong) } else { Span::new(name, Tone::Cite) };
        paper.flow(&[lead], if what.is_empty() { 0 } else { wide }, &[Span::plain(what)]);
    }
    paper.finish()
}

struct Manual<'a> {
    paper: Paper,
    catalogue: &'a Catalogue,
}

impl Manual<'_> {
    fn title(&mut self, id: &str, title: &str) {
        self.paper.flow(&[Span::new(id, Tone::Strong), Span::plain("  ")], INDENT, &[Span::plain(title)]);
    }

    fn heading(&mut self, text: &str) {
        self.paper.blank();
        self.paper.flow(&[], 0, &[Span::new(text, Tone::Strong)]);
    }

    fn prose(&mut self, text: &str) {
        for paragraph in text.trim().split("\n\n") {
            self.paper.flow(&[], INDENT, &[Span::plain(paragraph.replace('\n', " "))]);
        }
    }

    fn list(&mut self, heading: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.heading(heading);
        for item in items {
            self.paper.flow(&[Span::new("  - ", Tone::Faint)], INDENT + 2, &[Span::plain(item)]);
        }
    }

    fn clues<'c>(&mut self, heading: &str, clues: impl Iterator<Item = &'c Clue>) {
        let told: Vec<String> = clues.map(|clue| self.clue(clue)).collect();
        self.list(heading, &told);
    }

    /// A clue in words: what the lines say, and what must hold of them.
    fn clue(&self, clue: &Clue) -> String {
        let kinds = self.told(clue.evidence.as_slice().iter().map(String::as_str), FEW);
        let filter: Vec<String> = clue.filter.iter().filter_map(|(field, test)| condition(field, test)).collect();
        let filter = if filter.is_empty() { String::new() } else { format!(" ({})", filter.join(", ")) };
        format!("{}{filter}", kinds.join("; or: "))
    }

    /// What kinds mean, each once, at most so many.
    fn told<'p>(&self, patterns: impl Iterator<Item = &'p str>, most: usize) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        for pattern in patterns {
            let mut known: Vec<&str> = self.catalogue.kinds().filter(|kind| kind_fits(pattern, kind)).collect();
            known.extend(words::DERIVED.iter().map(|(kind, _)| *kind).filter(|kind| kind_fits(pattern, kind)));
            for kind in known {
                let about = words::derived(kind).map(str::to_owned);
                let about = about.unwrap_or_else(|| self.catalogue.about(kind));
                let first = about.split_once(". ").map_or(about.as_str(), |(first, _)| first);
                let about = words::capital(first.trim_end_matches('.'));
                if !told.contains(&about) {
                    told.push(about);
                }
            }
        }
        let more = told.len().saturating_sub(most);
        told.truncate(most);
        told.extend((more > 0).then(|| format!("and {more} more kinds of line")));
        told
    }

    fn fixes(&mut self, playbook: &Playbook) {
        if playbook.fix.is_empty() {
            return;
        }
        self.heading("What to do, best first");
        for (at, fix) in playbook.fix.iter().enumerate() {
            let remark = Span::new(format!(" ({})", words::risk(&fix.risk.to_string())), Tone::Faint);
            let lead = [Span::plain(format!("  {}. ", at + 1))];
            self.paper.flow(&lead, INDENT + 3, &[Span::plain(blanks(&fix.title)), remark]);
            for command in commands(fix) {
                self.paper.command(&[Span::new("     $ ", Tone::Faint)], INDENT + 5, &command);
            }
        }
    }

    fn asks(&mut self, playbook: &Playbook) {
        let Some(otherwise) = playbook.explain.otherwise.as_ref().filter(|otherwise| !otherwise.ask.is_empty()) else {
            return;
        };
        self.heading("What would decide it");
        for ask in &otherwise.ask {
            self.paper.flow(&[Span::new("  - ", Tone::Faint)], INDENT + 2, &[Span::plain(blanks(&ask.what))]);
            if !ask.command.is_empty() {
                let lead = [Span::new("    $ ", Tone::Faint)];
                self.paper.command(&lead, INDENT + 4, &words::split(&blanks(&ask.command)));
            }
        }
    }
}

/// Causes that need lines of a kind that this one needs as well.
fn alike(playbook: &Playbook, others: &[&Playbook]) -> Vec<String> {
    let needs = |playbook: &Playbook| -> Vec<String> {
        playbook.needs.values().flat_map(|clue| clue.evidence.as_slice().to_vec()).collect()
    };
    let own = needs(playbook);
    let shares = |other: &&&Playbook| {
        other.id != playbook.id
            && needs(other).iter().any(|kind| own.iter().any(|mine| kind_fits(mine, kind) || kind_fits(kind, mine)))
    };
    others.iter().filter(shares).map(|other| format!("{}: {}", other.id, other.title)).collect()
}

/// A condition on a field, in words; patterns are for machines.
fn condition(field: &str, condition: &Condition) -> Option<String> {
    let field = field.replace('_', " ");
    let any = |list: &[diag_parsers::Value]| {
        let few: Vec<String> = list.iter().take(FEW).map(ToString::to_string).collect();
        few.join(" or ") + if list.len() > FEW { " …" } else { "" }
    };
    match condition {
        Condition::Equal(values) => Some(format!("{field} {}", any(values.as_slice()))),
        Condition::Test(test) => {
            let least = test.at_least.map(|bound| format!("{field} at least {bound}"));
            let most = test.at_most.map(|bound| format!("{field} at most {bound}"));
            let not = test.not.as_ref().map(|list| format!("{field} not {}", any(list.as_slice())));
            let has = test.has.as_ref().map(|list| format!("{field} with `{}`", list.as_slice().join("` or `")));
            let all: Vec<String> = [least, most, not, has].into_iter().flatten().collect();
            (!all.is_empty()).then(|| all.join(", "))
        }
    }
}

/// A template with its holes as names: `{node}` and `{retry.node|a host}` become `NODE`; citations go.
fn blanks(text: &str) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Field { fields, .. } => fields.first().map_or_else(String::new, |field| field.to_uppercase()),
        Piece::Cite(_) => String::new(),
    };
    Template::parse(text).0.iter().map(piece).collect::<String>().trim_end().to_owned()
}

fn commands(fix: &FixFile) -> Vec<Vec<String>> {
    let export = fix.env.iter().map(|(name, value)| format!("{name}={}", words::quoted(&blanks(value))));
    let export: Vec<String> = std::iter::once("export".to_owned()).chain(export).collect();
    let argv = fix.commands.iter().map(|argv| argv.iter().map(|word| words::quoted(&blanks(word))).collect());
    std::iter::once(export).filter(|words| words.len() > 1).chain(argv).collect()
}
