//! What is wrong with the acting part of a playbook: parameters, commands, where they run, what verifies them.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::plan::{grammar, site, span};
use crate::playbook::schema::{Aim, By, FixFile, Parameter, Risk, Undo};
use crate::playbook::{Piece, Playbook, Template};

/// Everything wrong, one sentence each.
pub(super) fn lint(playbook: &Playbook, wrong: &mut Vec<String>) {
    for fix in &playbook.fix {
        let place = format!("fix `{}`", fix.id);
        params(&place, playbook, &fix.params, wrong);
        commands(&place, fix, wrong);
        let undo = if let Undo::Say(sentence) = &fix.undo { sentence.as_str() } else { "" };
        [fix.title.as_str(), undo].iter().for_each(|text| holes(&place, playbook, &fix.params, text, wrong));
        time(&place, &fix.timeout, wrong);
        for test in fix.proven_by.iter().filter(|test| !playbook.test.contains_key(*test)) {
            wrong.push(format!("{place}: is proven by `{test}`, which is no test of this playbook"));
        }
    }
    for (id, test) in &playbook.test {
        let place = format!("test `{id}`");
        // What a test's own file says of its parameters is looked at there.
        holes(&place, playbook, &test.params, &test.title, wrong);
        let own = test.params.iter().filter(|(_, parameter)| test.uses.is_none() || parameter.from.is_some());
        params(&place, playbook, &own.map(|(name, own)| (name.clone(), own.clone())).collect(), wrong);
        time(&place, &test.timeout, wrong);
        if !["", "one", "pair", "all", "here"].contains(&test.shape.as_str()) {
            wrong.push(format!("{place}: `{}` is no shape: one, pair, all or here", test.shape));
        }
        let wanted: &[&str] = if test.shape == "pair" { &["node", "peer"] } else { &["node"] };
        for name in wanted.iter().filter(|name| test.script.is_some() && !test.params.contains_key(**name)) {
            wrong.push(format!("{place}: nothing tells where it runs: it has no parameter `{name}`"));
        }
    }
    verify(playbook, wrong);
}

fn params(place: &str, playbook: &Playbook, params: &IndexMap<String, Parameter>, wrong: &mut Vec<String>) {
    let clues: BTreeSet<&str> = playbook.needs.keys().chain(playbook.supports.keys()).map(String::as_str).collect();
    for (name, parameter) in params {
        if !grammar::TYPES.iter().any(|(known, _)| *known == parameter.kind) {
            let known: Vec<&str> = grammar::TYPES.iter().map(|(known, _)| *known).collect();
            wrong.push(format!("{place}: `{name}` is of type `{}`; known: {}", parameter.kind, known.join(", ")));
        }
        for path in parameter.from.iter().flat_map(|from| from.split('|')) {
            let clue = path.split('.').next().unwrap_or(path);
            let by_site =
                site::field(Some(path)).is_some_and(|name| site::FIELDS.iter().any(|(field, _)| *field == name));
            if clue != "culprit" && !by_site && !clues.contains(clue) {
                wrong.push(format!("{place}: `{name}` is taken from `{clue}`, which is no need or support"));
            }
        }
        if let Some(value) = &parameter.default
            && let Err(why) = grammar::check(parameter, &value.to_string())
        {
            wrong.push(format!("{place}: the default of `{name}`: {why}"));
        }
        if parameter.otherwise.as_deref().is_some_and(|otherwise| otherwise != "ask") {
            wrong.push(format!("{place}: `{name}`: all that `or` can say is \"ask\""));
        }
    }
}

/// A text for people is filled from parameters and clues.
fn holes(place: &str, playbook: &Playbook, params: &IndexMap<String, Parameter>, text: &str, wrong: &mut Vec<String>) {
    let clues = || playbook.needs.keys().chain(playbook.supports.keys());
    for piece in Template::parse(text).0 {
        let Piece::Field { clue, fields, .. } = piece else { continue };
        let name = fields.first().cloned().unwrap_or_default();
        if clue.is_empty() && !params.contains_key(&name) {
            wrong.push(format!("{place}: `{text}` reads {{{name}}}, which is no parameter"));
        } else if !clue.is_empty() && !clues().any(|known| *known == clue) {
            wrong.push(format!("{place}: `{text}` names `{clue}`, which is no clue of this playbook"));
        }
    }
}

/// Commands are filled from checked parameters and from nothing else.
fn commands(place: &str, fix: &FixFile, wrong: &mut Vec<String>) {
    let undo: &[Vec<String>] = if let Undo::Do(undo) = &fix.undo { undo } else { &[] };
    let words = fix.commands.iter().chain(undo).flatten().chain(fix.env.values());
    for piece in words.flat_map(|word| Template::parse(word).0) {
        if let Piece::Field { clue, fields, .. } = piece {
            let name = fields.first().cloned().unwrap_or_default();
            if !clue.is_empty() {
                wrong.push(format!("{place}: a command takes {{{clue}.{name}}} as it stands: make it a parameter"));
            } else if !fix.params.contains_key(&name) {
                wrong.push(format!("{place}: a command reads {{{name}}}, which is no parameter"));
            }
        }
    }
    if fix.commands.iter().flatten().next().is_some_and(|program| program == "ssh") {
        wrong.push(format!("{place}: say `on = \"node\"` instead of calling ssh"));
    }
    if let Some(on) = &fix.on
        && !fix.params.get(on).is_some_and(|parameter| ["node", "addr"].contains(&parameter.kind.as_str()))
    {
        wrong.push(format!("{place}: `on` names `{on}`, which is no parameter of type node"));
    }
    // How a node is kept off and given back is no playbook's own.
    let own = fix.by == By::Diag && fix.aim != Aim::Contain;
    if own && fix.commands.is_empty() && fix.script.is_none() {
        wrong.push(format!("{place}: diag is to do it, and there is no command"));
    }
    if fix.script.is_some() && (fix.by != By::Diag || !fix.commands.is_empty()) {
        wrong.push(format!("{place}: a script is for what diag does, and instead of commands"));
    }
    let scripts = fix.script.iter().chain(if let Undo::Script(script) = &fix.undo { Some(script) } else { None });
    for script in scripts {
        let known: Vec<String> = fix.params.keys().map(|name| name.to_uppercase()).collect();
        for variable in read_by(&script.text).filter(|variable| !known.contains(variable)) {
            wrong.push(format!("{place}: its script reads DIAG_{variable}, which is no parameter"));
        }
    }
    if own && fix.risk >= Risk::Reversible && matches!(&fix.undo, Undo::Say(text) if text.is_empty()) {
        wrong.push(format!("{place}: diag is to do it: say how it is taken back, or \"none needed\""));
    }
    if fix.aim == Aim::Contain && fix.by != By::Diag {
        wrong.push(format!("{place}: `aim` is for what diag does"));
    }
}

/// The variables of diag's that a script reads, without `DIAG_`.
pub(super) fn read_by(script: &str) -> impl Iterator<Item = String> + '_ {
    script
        .split("DIAG_")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect())
}

fn time(place: &str, text: &str, wrong: &mut Vec<String>) {
    if !text.is_empty() && span(text).is_none() {
        wrong.push(format!("{place}: `{text}` is no time such as 90s or 30m"));
    }
}

fn verify(playbook: &Playbook, wrong: &mut Vec<String>) {
    for expect in &playbook.verify.expect {
        let rubric = playbook.test.get(&expect.test).and_then(|test| test.rubric.as_ref());
        let known = rubric.is_some_and(|rubric| rubric.reads.contains_key(&expect.read));
        let same =
            |other: &&crate::playbook::schema::Expectation| other.test == expect.test && other.read == expect.read;
        if playbook.verify.expect.iter().filter(same).count() > 1 {
            wrong.push(format!("verify expects `{}` of `{}` twice: say it in one", expect.read, expect.test));
        }
        if !known {
            wrong.push(format!("verify expects `{}` of `{}`, which no test reads", expect.read, expect.test));
        }
        if expect.equals.is_none() && expect.at_least.is_none() && expect.at_most.is_none() {
            wrong.push(format!("verify expects nothing of `{}`", expect.read));
        }
    }
    if let Some(quiet) = &playbook.verify.quiet {
        time("verify.quiet", &quiet.window, wrong);
        for clue in &quiet.clues {
            if !playbook.needs.contains_key(clue) && !playbook.supports.contains_key(clue) {
                wrong.push(format!("verify.quiet names `{clue}`, which is no need or support"));
            }
        }
    }
}
