//! Whether reasons of scripts keep their word: what lines mean, and that no word is there for nothing.

use super::mutate::Mutant;
use crate::playbook::repair::{FRAME, Reason, Remedy, RepairBook, RepairCase};
use crate::playbook::test::TestBook;

/// What is wrong with a book's wording, one sentence each.
#[must_use]
pub fn lint_repairs(book: &RepairBook, tests: &[TestBook]) -> Vec<String> {
    let mut wrong = Vec::new();
    if book.schema != 1 {
        wrong.push(format!("schema {} is unknown; this build reads 1", book.schema));
    }
    for (at, reason) in book.reason.iter().enumerate() {
        let id = &reason.id;
        if reason.what.is_empty() || reason.source.is_empty() {
            wrong.push(format!("`{id}` does not say what is the matter, or where its words are from"));
        }
        if reason.shows.is_empty() != reason.late {
            wrong.push(format!("`{id}` is known by words, or by the time that is over, and not by both"));
        }
        if book.reason[..at].iter().any(|other| other.id == *id) {
            wrong.push(format!("`{id}` stands there twice"));
        }
        for name in reason.remedy.iter().flat_map(changed) {
            let known = FRAME.contains(&name) || tests.iter().any(|test| test.params.contains_key(name));
            if !known {
                wrong.push(format!("`{id}` changes `{name}`, which no test has"));
            }
        }
    }
    wrong
}

fn changed(remedy: &Remedy) -> Vec<&str> {
    match remedy {
        Remedy::Next(name) => vec![name],
        Remedy::Smaller(names) => names.iter().map(String::as_str).collect(),
        Remedy::Path | Remedy::Plain | Remedy::Wait(_) => Vec::new(),
    }
}

/// What is wrong with a case: a line that means something else than it should.
#[must_use]
pub fn rehearse_reason(book: &RepairBook, case: &RepairCase) -> Option<String> {
    let told = book.reason.iter().find(|reason| reason.is_told_by(&case.says)).map_or("", |reason| &reason.id);
    (told != case.is).then(|| format!("should mean `{}`, means `{told}`", case.is))
}

/// A book with one word, or one way of saying it, taken away each time.
#[must_use]
pub fn reason_mutants(book: &RepairBook) -> Vec<Mutant<RepairBook>> {
    let mut mutants = Vec::new();
    for (at, reason) in book.reason.iter().enumerate() {
        let mut without = |what: String, change: &dyn Fn(&mut Reason)| {
            let mut changed = book.clone();
            change(&mut changed.reason[at]);
            mutants.push(Mutant { without: format!("{what} of `{}`", reason.id), changed });
        };
        for (list, words) in reason.shows.iter().enumerate() {
            without(format!("{words:?}"), &|reason| drop(reason.shows.remove(list)));
            for (word, text) in words.iter().enumerate().filter(|_| words.len() > 1) {
                without(format!("`{text}`"), &|reason| drop(reason.shows[list].remove(word)));
            }
        }
        for (word, text) in reason.unless.iter().enumerate() {
            without(format!("unless `{text}`"), &|reason| drop(reason.unless.remove(word)));
        }
    }
    mutants
}
