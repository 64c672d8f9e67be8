//! The model in `diag fix`: asked about what the rules leave open, with the report and what came of the work in sight. It gets
//! words, and gives back places of a menu.

use diag_parsers::Scanner;

use crate::agent::{Cited, Counsel, Fact, Menu, Offer, Topic};
use crate::brain::{Case, Chat as _, Choice, Client, Offered, Picked, Settings, View, pick};
use crate::evidence::Table;
use crate::report::{self, Evidence, Report};

/// Most lines that are shown where a kind is asked for.
const LINES: usize = 20;

/// A model, what it may still cost in this run, and the evidence as it was read last.
pub(super) struct Counsellor {
    pub(super) settings: Settings,
    pub(super) scanner: Scanner,
    pub(super) seen: Option<(Report, Table)>,
}

impl Counsellor {
    pub(super) fn new(settings: Settings, scanner: Scanner) -> Self {
        Self { settings, scanner, seen: None }
    }

    /// Asks it.
    pub(super) fn ask(&mut self, menu: &Menu, facts: &[Fact]) -> Result<Counsel, String> {
        let (report, table) = self.seen.as_ref().ok_or("the evidence was not read")?;
        let notes = super::site_notes::read();
        let view = View::new(getrandom::u64().map_err(|error| error.to_string())?)?;
        let lines = |wanted: (&str, Option<&str>), from: usize| {
            report::lines(table, self.scanner.catalogue(), wanted, from, LINES)
        };
        let case = Case { report, notes: &notes, lines: &lines };
        let mut client = Client::new(self.settings.clone()).map_err(|error| error.reason)?;
        let picked = pick(&case, &choice(menu, facts), &mut client, view);
        self.settings.budget = self.settings.budget.saturating_sub(client.spent().tokens);
        counsel(picked?, menu)
    }
}

/// A menu in words.
fn choice<'a>(menu: &'a Menu, facts: &[Fact]) -> Choice<'a> {
    let offered = |offer: &Offer| Offered { what: offer.what.clone(), range: offer.range };
    Choice {
        about: &menu.about,
        offers: menu.offers().iter().map(offered).collect(),
        most: menu.most,
        facts: facts.iter().map(line).collect(),
    }
}

/// A line of the case itself, as those of logs are.
fn line(fact: &Fact) -> Evidence {
    Evidence {
        id: fact.id.clone(),
        source: "the journal".to_owned(),
        line: 0,
        text: fact.text.clone(),
        time: None,
        node: None,
        rank: None,
        kind: "journal".to_owned(),
        count: 1,
        focus: 0..0,
    }
}

/// Places of the menu, and what is told of them.
fn counsel(picked: Picked, menu: &Menu) -> Result<Counsel, String> {
    let picks: Option<Vec<_>> = picked.picks.iter().map(|(at, number)| menu.pick(*at, *number)).collect();
    let picks = picks.ok_or("it picked what was not offered")?;
    if menu.topic == Topic::Summary && picked.claims.is_empty() {
        return Err("it says nothing that cites a line which says so".to_owned());
    }
    let cited = |line: &Evidence| Cited {
        id: line.id.clone(),
        place: if line.line == 0 { line.source.clone() } else { format!("{}:{}", line.source, line.line) },
        text: line.text.clone(),
    };
    let cited = picked.cited.iter().map(cited).collect();
    Ok(Counsel { picks, claims: picked.claims, cited })
}
