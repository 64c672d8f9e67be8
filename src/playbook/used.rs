//! Tests of playbooks: those that stand in files of their own are put in the place of their names.

use super::piece;
use super::schema::{Parameter, Playbook, Script, TestFile};
use super::test::{Rubric, Shape, TestBook};

/// Completes the tests and fixes of a playbook, so that each can be run and judged.
///
/// # Errors
/// A name that no test and no piece of script has, or a parameter that the test does not have; in words.
pub fn used(playbook: &mut Playbook, tests: &[TestBook]) -> Result<(), String> {
    piece::put_together(playbook)?;
    for (id, test) in &mut playbook.test {
        let mut rubric = match test.uses.clone() {
            None => Rubric::of(test),
            Some(name) => {
                let book = tests.iter().find(|book| book.id == name);
                let book = book.ok_or_else(|| format!("test `{id}`: there is no test `{name}`"))?;
                complete(test, book).map_err(|why| format!("test `{id}`: {why}"))?;
                book.rubric()
            }
        };
        rubric.wish(playbook.verify.expect.iter().filter(|wish| wish.test == *id));
        test.rubric = Some(rubric);
    }
    Ok(())
}

/// Names that say where a run takes place, beside the parameters that the test's script reads.
const PLACES: [&str; 2] = ["node", "peer"];

/// What a playbook does not say of a test is said by the test's own file.
fn complete(test: &mut TestFile, book: &TestBook) -> Result<(), String> {
    let says = [("shape", !test.shape.is_empty()), ("risk", test.risk.is_some()), ("script", test.script.is_some())];
    let says = says.into_iter().chain([("reads", !test.reads.is_empty()), ("tools", !test.tools.is_empty())]);
    if let Some((what, _)) = says.into_iter().find(|(_, said)| *said) {
        return Err(format!("`{what}` is said by the file of `{}`, and not here", book.id));
    }
    if test.title.is_empty() {
        test.title.clone_from(&book.title);
    }
    if test.disturbs.is_empty() {
        test.disturbs.clone_from(&book.disturbs);
    }
    if test.timeout.is_empty() {
        test.timeout = format!("{}s", book.timeout);
    }
    let shape = match book.shape {
        Shape::One => "one",
        Shape::Pair => "pair",
        Shape::All => "all",
    };
    shape.clone_into(&mut test.shape);
    test.risk = Some(book.risk);
    test.tools = book.tools.iter().map(|any| any.join(" or ")).collect();
    test.script =
        Some(Script { shell: book.script.shell.clone(), text: book.text(), plain: book.plain(), ..Script::default() });
    for (name, own) in &mut test.params {
        match book.params.get(name) {
            Some(of_book) => inherit(own, of_book),
            None if PLACES.contains(&name.as_str()) => {}
            None => return Err(format!("`{}` has no parameter `{name}`", book.id)),
        }
    }
    for (name, parameter) in &book.params {
        test.params.entry(name.clone()).or_insert_with(|| parameter.clone());
    }
    Ok(())
}

/// Type, bounds and default of a parameter that are not said are those of the test's file.
fn inherit(own: &mut Parameter, of_book: &Parameter) {
    if own.kind.is_empty() {
        own.kind.clone_from(&of_book.kind);
    }
    own.min = own.min.or(of_book.min);
    own.max = own.max.or(of_book.max);
    own.default = own.default.take().or_else(|| of_book.default.clone());
    if own.one_of.is_empty() {
        own.one_of.clone_from(&of_book.one_of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::built_in;

    #[test]
    fn a_test_in_a_file_of_its_own_is_taken_whole_and_what_the_playbook_says_stands_before_it() {
        let library = built_in().unwrap();
        let mut playbook = library.get("shm-exhausted").unwrap().clone();
        let shm = library.tests.iter().find(|book| book.id == "shm").unwrap();
        let taken = &playbook.test["shm-room"];
        assert_eq!(taken.script.as_ref().unwrap().text, shm.text());
        assert_eq!(taken.rubric.as_ref().unwrap().expect, shm.expect);
        assert_eq!(taken.params.keys().collect::<Vec<_>>(), ["node", "try_mib"]);
        let text = "test = 'shm-room'\nread = 'size_mib'\nat_least = 4096";
        playbook.verify.expect = vec![toml::from_str(text).unwrap()];
        playbook.test["shm-room"] = bare("shm");
        used(&mut playbook, &library.tests).unwrap();
        let rules = &playbook.test["shm-room"].rubric.as_ref().unwrap().expect;
        let read: Vec<&str> = rules.iter().map(|rule| rule.read.as_str()).collect();
        assert_eq!(read, ["size_mib", "writes"]);
        assert_eq!(rules[0].at_least, Some(crate::playbook::schema::Bound::Number(4096.0)));
    }

    fn bare(name: &str) -> TestFile {
        toml::from_str(&format!("use = '{name}'")).unwrap()
    }

    #[test]
    fn what_such_a_test_does_not_have_is_refused() {
        let library = built_in().unwrap();
        let mut playbook = library.get("shm-exhausted").unwrap().clone();
        for (text, why) in [
            ("use = 'smh'", "there is no test `smh`"),
            ("use = 'shm'\nrisk = 'observe'", "`risk` is said by the file of `shm`"),
            ("use = 'shm'\nparams = { size = { default = 1 } }", "`shm` has no parameter `size`"),
        ] {
            playbook.test["shm-room"] = toml::from_str(text).unwrap();
            let said = used(&mut playbook, &library.tests).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
