//! What is wrong with a playbook's wording, before any log is read.

use std::collections::BTreeSet;

use diag_parsers::Catalogue;

mod acting;

use crate::playbook::schema::{Clue, Status};
use crate::playbook::test::TestBook;
use crate::playbook::{Echo, EchoGroup, On, Order, Playbook, Template, sentences, used};

/// Fewest cases of a playbook: one that fires and one that must not.
const FEWEST_CASES: usize = 2;

/// Everything wrong with a playbook as it is written, one sentence each; `known` are the groups of echoes and tests that it can
/// name, and `derived` the kinds that no format makes.
pub fn lint(
    playbook: &Playbook,
    known: (&[EchoGroup], &[TestBook]),
    catalogue: &Catalogue,
    derived: &[&'static str],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let (groups, books) = known;
    if playbook.schema != 1 {
        wrong.push(format!("schema {} is unknown; this build reads 1", playbook.schema));
    }
    if playbook.needs.is_empty() {
        wrong.push("it needs nothing, so it would always fire".to_owned());
    }
    if playbook.summary.trim().is_empty() {
        wrong.push("`summary` is empty: `diag explain` would have nothing to say".to_owned());
    }
    kinds(playbook, catalogue, derived, &mut wrong);
    echo_groups(playbook, groups, &mut wrong);
    clue_names(playbook, &mut wrong);
    citations(playbook, &mut wrong);
    untold(playbook, &mut wrong);
    tests(playbook, &mut wrong);
    let mut whole = playbook.clone();
    match used(&mut whole, books) {
        Ok(()) => acting::lint(&whole, &mut wrong),
        Err(why) => wrong.push(why),
    }
    cases(playbook, &mut wrong);
    wrong
}

fn clues(playbook: &Playbook) -> impl Iterator<Item = (&String, &Clue)> {
    playbook.needs.iter().chain(&playbook.supports).chain(&playbook.excludes)
}

fn kinds(playbook: &Playbook, catalogue: &Catalogue, derived: &[&'static str], wrong: &mut Vec<String>) {
    let known: BTreeSet<&str> = catalogue.kinds().chain(derived.iter().copied()).collect();
    let fits = |pattern: &str| known.iter().any(|kind| crate::diagnose::kind_fits(pattern, kind));
    for (name, clue) in clues(playbook) {
        for pattern in clue.evidence.as_slice().iter().chain(&clue.also).filter(|pattern| !fits(pattern)) {
            wrong.push(format!("clue `{name}`: no format makes `{pattern}`"));
        }
    }
    wrong.extend(unknown_kinds(&playbook.echoes, catalogue, derived));
}

/// Kinds of echo that nothing makes, one sentence each.
pub(super) fn unknown_kinds(echoes: &[Echo], catalogue: &Catalogue, derived: &[&'static str]) -> Vec<String> {
    let known: BTreeSet<&str> = catalogue.kinds().chain(derived.iter().copied()).collect();
    let fits = |pattern: &&String| known.iter().any(|kind| crate::diagnose::kind_fits(pattern, kind));
    let unknown = echoes.iter().flat_map(|echo| &echo.kinds).filter(|pattern| !fits(pattern));
    unknown.map(|pattern| format!("echoes: no format makes `{pattern}`")).collect()
}

fn echo_groups(playbook: &Playbook, groups: &[EchoGroup], wrong: &mut Vec<String>) {
    for echo in &playbook.echoes {
        for name in echo.groups.iter().filter(|name| groups.iter().all(|group| group.id != **name)) {
            let known = groups.iter().map(|group| group.id.as_str());
            let near = known.clone().max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)));
            let near = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
            let known = known.collect::<Vec<_>>().join(", ");
            wrong.push(format!("echoes: there is no group `{name}`{near}; known: {known}"));
        }
        let words = !echo.filter.is_empty() || echo.on != On::Any || echo.order != Order::After;
        if !echo.groups.is_empty() && (!echo.kinds.is_empty() || words) {
            wrong.push("echoes: an entry that names groups says nothing else: their files do".to_owned());
        }
        if echo.groups.is_empty() && echo.kinds.is_empty() {
            wrong.push("echoes: an entry names neither kinds nor groups".to_owned());
        }
    }
}

fn clue_names(playbook: &Playbook, wrong: &mut Vec<String>) {
    let known: BTreeSet<&str> = clues(playbook).map(|(name, _)| name.as_str()).collect();
    let mut check = |place: String, name: &str| {
        if !known.contains(name) {
            wrong.push(format!("{place} names `{name}`, which is no clue of this playbook"));
        }
    };
    for fix in &playbook.fix {
        fix.when.iter().chain(&fix.unless).for_each(|name| check(format!("fix `{}`", fix.id), name));
    }
    for (id, test) in &playbook.test {
        test.when.iter().chain(&test.unless).for_each(|name| check(format!("test `{id}`"), name));
    }
    let culprit = &playbook.culprit;
    for path in
        [&culprit.ranks, &culprit.nodes, &culprit.gpus, &culprit.pods, &culprit.jobs].into_iter().flatten().flatten()
    {
        for part in path.split('|') {
            check("culprit".to_owned(), part.split('.').next().unwrap_or(part));
        }
    }
    for name in playbook.explain.because.keys() {
        check("explain.because".to_owned(), name);
    }
    for (clue, file) in clues(playbook) {
        let within = file.within.as_deref().and_then(|within| within.split_once(" of ")).map(|(_, name)| name.trim());
        for name in [within, file.before.as_deref(), file.after.as_deref(), file.than.as_deref()].into_iter().flatten()
        {
            check(format!("clue `{clue}`"), name);
        }
    }
}

/// Each sentence that states a clue's field must cite the clue.
fn citations(playbook: &Playbook, wrong: &mut Vec<String>) {
    use crate::playbook::Piece;
    let explain = &playbook.explain;
    let texts =
        std::iter::once(&explain.what).chain(explain.because.values()).chain(explain.otherwise.iter().map(|o| &o.text));
    for sentence in texts.flat_map(|text| sentences(text)) {
        let pieces = Template::parse(sentence).0;
        for piece in &pieces {
            if let Piece::Field { clue, .. } = piece
                && !pieces.contains(&Piece::Cite(clue.clone()))
            {
                wrong.push(format!("a sentence tells of `{clue}` without citing it: {sentence}"));
            }
        }
    }
}

/// What is proven must be said: each need and support is cited by a sentence, and a sentence of `because` cites its own.
fn untold(playbook: &Playbook, wrong: &mut Vec<String>) {
    use crate::playbook::Piece;
    let cites = |text: &str, clue: &str| Template::parse(text).0.contains(&Piece::Cite(clue.to_owned()));
    let explain = &playbook.explain;
    for name in playbook.needs.keys().chain(playbook.supports.keys()) {
        if !cites(&explain.what, name) && !explain.because.get(name).is_some_and(|text| cites(text, name)) {
            wrong.push(format!("no sentence cites `{name}`: say in explain.because.{name} what it proves"));
        }
    }
    for (name, text) in explain.because.iter().filter(|(name, text)| !cites(text, name)) {
        wrong.push(format!("explain.because.{name} does not cite [{name}]: {text}"));
    }
}

/// A test's script is constant text: it reads declared parameters only and prints each reading that it declares.
fn tests(playbook: &Playbook, wrong: &mut Vec<String>) {
    for (name, test) in playbook.test.iter().filter(|(_, test)| test.uses.is_none()) {
        if test.risk.is_none() || test.title.is_empty() || test.script.is_none() {
            wrong.push(format!(
                "test `{name}` wants a title, a risk and a script, or to `use` a test of playbooks/tests/"
            ));
        }
        let text = test.script.as_ref().map(|script| script.text.as_str()).unwrap_or_default();
        for variable in acting::read_by(text) {
            let known = TestBook::VARIABLES.contains(&variable.as_str())
                || test.params.keys().any(|param| param.to_uppercase() == variable);
            if !known {
                wrong.push(format!("test `{name}` reads DIAG_{variable}, which is no parameter of it"));
            }
        }
        for read in test
            .reads
            .keys()
            .filter(|read| !text.contains(&format!("diag: {read}=")) && !text.contains(&format!("say {read} ")))
        {
            wrong.push(format!("test `{name}` declares `{read}` and prints no `diag: {read}=`"));
        }
    }
}

fn cases(playbook: &Playbook, wrong: &mut Vec<String>) {
    if playbook.case.is_empty() || playbook.status == Status::Deprecated {
        return;
    }
    let fires = playbook.case.iter().filter(|case| !case.expect.found.is_empty()).count();
    if playbook.case.len() < FEWEST_CASES || fires == 0 || fires == playbook.case.len() {
        wrong.push("it wants at least one case in which it fires and one in which it must not".to_owned());
    }
}
