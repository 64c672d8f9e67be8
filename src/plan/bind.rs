//! Parameters get their values: from the evidence, from a person, or by default; each is checked before it is used.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::answers::Answers;
use super::grammar;
use super::site::{self, Site};
use super::step::Question;
use crate::diagnose::Match;
use crate::evidence::{RowId, Table};
use crate::playbook::schema::Parameter;
use crate::verdict::Culprit;

/// Most assignments of one fix or test: beyond it the check is suspect, and not the nodes.
pub(super) const MOST: usize = 64;

/// Values of all parameters, by name.
pub(super) type Values = BTreeMap<String, String>;

/// What the parameters of a fix or a test come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bound {
    /// One a target; empty where something is missing.
    pub(super) all: Vec<Values>,
    /// What a person has to say first.
    pub(super) questions: Vec<Question>,
    /// Why it can't be done.
    pub(super) cannot: Vec<String>,
}

/// Where values come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The finding.
    pub(super) found: &'a Match<'a>,
    /// The evidence.
    pub(super) table: &'a Table,
    /// Whom it blames.
    pub(super) culprit: &'a Culprit,
    /// What a person said, or a model picked.
    pub(super) answers: &'a Answers,
    /// What the site says of its nodes.
    pub(super) site: &'a Site,
    /// Whether it is for a test: what was picked is for tests alone.
    pub(super) for_test: bool,
}

impl Origin<'_> {
    /// What a model picked for a parameter of a test.
    fn picked(&self, of: &str, name: &str) -> &[String] {
        if self.for_test { self.answers.picked(&self.found.playbook.id, of, name) } else { &[] }
    }
}

/// A value and the row that told it.
type Told = (Option<RowId>, String);

/// Binds the parameters of a fix or test `of`.
#[must_use]
pub(super) fn bind(of: &str, params: &IndexMap<String, Parameter>, origin: Origin<'_>) -> Bound {
    let mut bound = Bound::default();
    let mut told: IndexMap<&str, Vec<Told>> = IndexMap::new();
    for (name, parameter) in params.iter().filter(|(_, parameter)| site::field(parameter.from.as_deref()).is_none()) {
        let values = one(of, name, parameter, origin, &mut bound);
        told.insert(name, values);
    }
    if bound.questions.is_empty() && bound.cannot.is_empty() {
        spread(of, params, &told, origin, &mut bound);
        said_by_site(params, origin.site, &mut bound);
    }
    bound
}

/// What the site says of the node of each assignment; the first that it does not say.
fn said_by_site(params: &IndexMap<String, Parameter>, site: &Site, bound: &mut Bound) {
    let wanted =
        params.iter().filter_map(|(name, parameter)| Some((name, parameter, site::field(parameter.from.as_deref())?)));
    for (name, parameter, field) in wanted {
        for values in &mut bound.all {
            let node = values.get("node").map_or("", String::as_str);
            match site.tell(field, node).and_then(|text| grammar::check(parameter, &text)) {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(why) => return bound.cannot.push(why),
            }
        }
    }
}

/// All values of a parameter that are as they must be.
fn one(of: &str, name: &str, parameter: &Parameter, origin: Origin<'_>, bound: &mut Bound) -> Vec<Told> {
    let said = origin.answers.said(of, name).map(std::slice::from_ref).unwrap_or_default();
    let answers = if said.is_empty() { origin.picked(of, name) } else { said };
    if !answers.is_empty() {
        let checked: Result<Vec<String>, String> = answers.iter().map(|text| grammar::check(parameter, text)).collect();
        return match checked {
            Ok(values) => values.into_iter().map(|value| (None, value)).collect(),
            Err(why) => {
                bound.cannot.push(format!("{name}: {why}"));
                Vec::new()
            }
        };
    }
    let mut good: Vec<Told> = Vec::new();
    let mut bad = Vec::new();
    for (row, text) in told(parameter, origin) {
        match grammar::check(parameter, &text) {
            Ok(value) if !good.iter().any(|(_, known)| *known == value) => good.push((row, value)),
            Ok(_) => {}
            Err(why) => bad.push(why),
        }
    }
    if good.is_empty() && bad.is_empty() {
        good.extend(parameter.default.as_ref().map(|value| (None, value.to_string())));
    }
    if !good.is_empty() {
        return good;
    }
    let refused = bad.first().map(|why| format!(" (the evidence says: {why})")).unwrap_or_default();
    if parameter.otherwise.as_deref() == Some("ask") {
        bound.questions.push(question((of, name), parameter, origin, &refused, &[]));
    } else if let Some(why) = bad.first() {
        bound.cannot.push(format!("{name}: {why}"));
    } else {
        bound.cannot.push(format!("{name}: the evidence does not tell {}", grammar::about(&parameter.kind)));
    }
    Vec::new()
}

/// A question; fixes and tests that ask for the same name ask once.
fn question(
    (of, name): (&str, &str),
    parameter: &Parameter,
    origin: Origin<'_>,
    remark: &str,
    offers: &[Told],
) -> Question {
    Question {
        id: name.to_owned(),
        what: format!("{name}, for {of}: {}{remark}", grammar::about(&parameter.kind)),
        kind: parameter.kind.clone(),
        offers: offers.iter().map(|(_, value)| value.clone()).take(MOST).collect(),
        min: parameter.min,
        max: parameter.max,
        tests: if origin.for_test { vec![of.to_owned()] } else { Vec::new() },
    }
}

/// What the evidence tells of a parameter, word for word.
fn told(parameter: &Parameter, origin: Origin<'_>) -> Vec<Told> {
    let Some(from) = parameter.from.as_deref() else { return Vec::new() };
    for path in from.split('|') {
        let found: Vec<Told> = match path.split_once('.') {
            Some(("culprit", field)) => blamed(origin.culprit, field).into_iter().map(|text| (None, text)).collect(),
            Some((clue, field)) => rows(clue, field, origin),
            None => Vec::new(),
        };
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn rows(clue: &str, field: &str, origin: Origin<'_>) -> Vec<Told> {
    let told = |row: &RowId| {
        let text = origin.table.value(*row, field)?.to_string();
        (!text.is_empty()).then_some((Some(*row), text))
    };
    origin.found.picked(clue).iter().filter_map(told).collect()
}

fn blamed(culprit: &Culprit, field: &str) -> Vec<String> {
    match field {
        "node" => culprit.nodes.clone(),
        "gpu" => culprit.gpus.clone(),
        "job" => culprit.jobs.clone(),
        "rank" => culprit.ranks.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// One assignment for each value of the parameter that has several; the others go with its row or its node.
fn spread(
    of: &str,
    params: &IndexMap<String, Parameter>,
    told: &IndexMap<&str, Vec<Told>>,
    origin: Origin<'_>,
    bound: &mut Bound,
) {
    let several = |name: &&&str| told[**name].len() > 1;
    let lead = told.keys().filter(several).find(|name| params[**name].kind == "node");
    let lead = lead.or_else(|| told.keys().find(several)).copied();
    let heads: Vec<Told> = lead.map_or_else(|| vec![(None, String::new())], |name| told[name].clone());
    if heads.len() > MOST {
        bound.cannot.push(format!("{} targets at once: suspect the check, and not the nodes", heads.len()));
        return;
    }
    for head in &heads {
        let mut values = Values::new();
        for (name, options) in told {
            let value = if Some(*name) == lead { Some(&head.1) } else { beside(head, options, origin) };
            match value {
                Some(value) => values.insert((*name).to_owned(), value.clone()),
                None => {
                    let ask = question((of, name), &params[*name], origin, " (the evidence names several)", options);
                    if !bound.questions.contains(&ask) {
                        bound.questions.push(ask);
                    }
                    continue;
                }
            };
        }
        bound.all.push(values);
    }
    if !bound.questions.is_empty() {
        bound.all.clear();
    }
}

/// The value that goes with the head of an assignment: the only one, that of the same row, or that of the same node.
fn beside<'t>(head: &Told, options: &'t [Told], origin: Origin<'_>) -> Option<&'t String> {
    if let [(_, only)] = options {
        return Some(only);
    }
    let node = |row: RowId| origin.table.rows[row].node().map(str::to_owned);
    let mine = head.0.and_then(node).or_else(|| Some(head.1.clone()));
    let same_row = options.iter().find(|(row, _)| row.is_some() && *row == head.0);
    let mut same_node = options.iter().filter(|(row, _)| row.is_some_and(|row| node(row) == mine));
    let near = same_row.or_else(|| same_node.next().filter(|_| same_node.next().is_none()));
    near.map(|(_, value)| value)
}

/// A text whose holes are parameters: `NodeName={node}`.
///
/// # Errors
/// The first hole that no parameter fills.
pub(super) fn fill(text: &str, values: &Values) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, behind) = rest.split_at(at);
        filled.push_str(before);
        let hole = behind[1..].split('}').next().unwrap_or_default();
        let name = !hole.is_empty() && hole.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name && behind.len() > hole.len() + 1 {
            filled.push_str(values.get(hole).ok_or_else(|| hole.to_owned())?);
            rest = &behind[hole.len() + 2..];
        } else {
            filled.push('{');
            rest = &behind[1..];
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_parameters_and_nothing_else() {
        let values = Values::from([("node".to_owned(), "gpu-17".to_owned())]);
        assert_eq!(fill("NodeName={node}", &values), Ok("NodeName=gpu-17".to_owned()));
        assert_eq!(fill("awk '{ print $1 }' {}", &values), Ok("awk '{ print $1 }' {}".to_owned()));
        assert_eq!(fill("{peer}", &values), Err("peer".to_owned()));
        assert_eq!(fill("{node", &values), Ok("{node".to_owned()));
    }
}
