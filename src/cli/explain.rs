//! `diag explain CAUSE`: what the catalogue knows.

use std::io::Write as _;

use serde_json::{Map, Value};

use super::screen::{self, Color};
use crate::error::Error;
use crate::evidence::gpu_fault::{Policy, Repeats, Which};
use crate::playbook::{Library, Playbook, Shelved};
use crate::report::text::{Look, manual};

/// What to explain.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A cause (`ib-retry-exceeded`), or a table and a number (`xid 79`, `sxid 20034`); nothing lists the causes.
    #[arg(num_args = 0..=2)]
    what: Vec<String>,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

/// How alike two words must be for one to be offered for the other (0 to 1).
const ALIKE: f64 = 0.75;

/// Prints what is known of it.
pub(super) fn run(args: &Args, library: &Library) -> Result<u8, Error> {
    let look = Look { width: screen::width(false), colour: screen::colour(args.color, false), ..Look::default() };
    let text = page(&args.what.join(" "), library, look)?;
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(super::EXIT_HEALTHY)
}

/// What is known of a cause or a number; nothing lists the causes.
pub(super) fn page(what: &str, library: &Library, look: Look) -> Result<String, Error> {
    let words: Vec<&str> = what.split_whitespace().collect();
    let text = match words.as_slice() {
        [] => Some(
            list(library, look)
                + "\n`diag explain CAUSE` tells more of one; `diag explain xid 79` of a driver's number.\n",
        ),
        [table, number] => entry(library, table, number, look),
        [cause] => match library.get(&cause.to_lowercase()) {
            Some(playbook) => Some(describe(playbook, library, look)?),
            None => None,
        },
        _ => None,
    };
    text.ok_or_else(|| unknown(library, &words))
}

fn describe(playbook: &Playbook, library: &Library, look: Look) -> Result<String, Error> {
    let scanner = super::analyze::scanner(None)?;
    let others: Vec<&Playbook> = library.playbooks.iter().map(|shelved| &shelved.playbook).collect();
    Ok(manual::cause(playbook, &others, scanner.catalogue(), look))
}

/// All causes by area.
pub(super) fn list(library: &Library, look: Look) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut area = "";
    for Shelved { area: own, playbook } in &library.playbooks {
        if own != area {
            rows.push((own.clone(), String::new()));
            area = own;
        }
        rows.push((format!("  {}", playbook.id), playbook.title.clone()));
    }
    manual::table(&rows, look)
}

fn entry(library: &Library, table: &str, number: &str, look: Look) -> Option<String> {
    let name = table.to_lowercase();
    let mut entry = library.catalogue.get(&name)?.get(&name)?.get(number)?.as_object()?.clone();
    if name == "xid" {
        entry.extend(policy(number).unwrap_or_default());
    }
    Some(manual::entry(&format!("{} {number}", table.to_uppercase()), &entry, look))
}

/// What the policy makes of an Xid, and where that comes from.
fn policy(number: &str) -> Option<Map<String, Value>> {
    let policy = Policy::built_in();
    let rule = policy.of_xid(number.parse().ok()?)?;
    let which = |list: &[Which]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let repeats = |repeats: &Repeats| {
        format!(
            "from {} processes on one GPU within {} on, the GPU itself is suspected",
            repeats.processes, repeats.within
        )
    };
    let counts = if rule.alone { "only where nothing else failed" } else { "alone or with others" };
    let source = policy.source(rule).map(|source| format!("{}, {}", source.title, source.version));
    let said = [
        (
            "policy_sign_of",
            rule.fact.clone().unwrap_or_else(|| "nothing by itself: the wake of another error".to_owned()),
        ),
        ("policy_blames", rule.blames.clone()),
        ("policy_action", rule.action.clone()),
        ("policy_counts", rule.fact.as_ref().map(|_| counts.to_owned()).unwrap_or_default()),
        ("policy_repeats", rule.repeats.as_ref().map(repeats).unwrap_or_default()),
        ("explains_on_its_gpu", which(&rule.over)),
        ("explains_on_its_node", which(&rule.over_node)),
        ("explains_within", rule.within.clone()),
        ("policy_since", rule.since.clone().unwrap_or_default()),
        ("policy_source", source.unwrap_or_default()),
    ];
    Some(said.into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect())
}

fn unknown(library: &Library, words: &[&str]) -> Error {
    let what = words.join(" ");
    let error = |reason: &str| Error::new("explain.unknown", &what, reason);
    if let [table, number] = words
        && library.catalogue.contains_key(&table.to_lowercase())
    {
        return error("the table has no such number")
            .with_way_on(format!("`{number}` should be a number as the driver prints it: diag explain xid 79"));
    }
    let mut near: Vec<(f64, &str)> = library
        .playbooks
        .iter()
        .map(|shelved| (likeness(&shelved.playbook.id, &what), shelved.playbook.id.as_str()))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names: Vec<&str> = near.iter().take(3).map(|(_, id)| *id).collect();
    match names.as_slice() {
        [] => error("no such cause in the catalogue").with_way_on("`diag explain` lists all causes"),
        names => error("no such cause in the catalogue").with_way_on(format!("did you mean {}?", names.join(" or "))),
    }
}

/// How alike a cause and what was typed are, whole or in one of its words (0 to 1).
fn likeness(id: &str, what: &str) -> f64 {
    let what = what.to_lowercase().replace([' ', '_'], "-");
    let whole = strsim::jaro_winkler(id, &what);
    let held = |word: &str| word.len() >= 3 && id.split('-').any(|part| part == word);
    if what.split('-').any(held) { whole.max(ALIKE) } else { whole }
}
