//! Whether a test's file keeps its word: its wording, and its cases.

use std::time::Duration;

use indexmap::IndexMap;

use super::expect::judge;
use crate::exec::{End, Kept, Ran};
use crate::plan::Target;
use crate::playbook::schema::Risk;
use crate::playbook::test::{Expectation, Judged, Prints, TestBook, TestCase, check_value};

/// What is wrong with a test's wording, one sentence each.
#[must_use]
pub fn lint(book: &TestBook) -> Vec<String> {
    let mut wrong = Vec::new();
    if book.schema != 1 {
        wrong.push(format!("schema {} is unknown; this build reads 1", book.schema));
    }
    if book.risk > Risk::Load {
        wrong.push("a test uses a machine at most: its risk is observe or load".to_owned());
    }
    if !["sh", "bash"].contains(&book.script.shell.as_str()) {
        wrong.push(format!("`{}` is no shell that is everywhere: sh or bash", book.script.shell));
    }
    for (name, parameter) in &book.params {
        match &parameter.default {
            None => wrong.push(format!("parameter `{name}` has no default")),
            Some(default) => wrong.extend(
                check_value(parameter, &default.to_string()).err().map(|why| format!("the default of `{name}`: {why}")),
            ),
        }
    }
    if book.script.plain.is_some() && book.script.shell == "sh" {
        wrong.push("a script for sh needs no plain one beside it".to_owned());
    }
    variables(book, &mut wrong);
    readings(book, &mut wrong);
    wrong.extend(book.expect.iter().filter_map(|rule| expectation(book, rule)));
    for wanted in [Judged::Pass, Judged::Fail] {
        if book.case.iter().all(|case| case.expect != wanted) {
            wrong.push(format!(
                "no case shows what a {} looks like",
                if wanted == Judged::Pass { "pass" } else { "failure" }
            ));
        }
    }
    wrong
}

/// A script reads declared variables only, and each parameter is read.
fn variables(book: &TestBook, wrong: &mut Vec<String>) {
    let text = format!("{}{}", book.script.text, book.script.plain.as_deref().unwrap_or_default());
    let name = |rest: &str| {
        rest.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect::<String>()
    };
    let read: Vec<String> = text.split("DIAG_").skip(1).map(name).collect();
    for variable in &read {
        let known = TestBook::VARIABLES.contains(&variable.as_str())
            || book.params.keys().any(|param| param.to_uppercase() == *variable);
        if !known {
            wrong.push(format!("the script reads DIAG_{variable}, which is no parameter"));
        }
    }
    for param in book.params.keys().filter(|param| !read.contains(&param.to_uppercase())) {
        wrong.push(format!("the script does not read the parameter `{param}`"));
    }
}

fn readings(book: &TestBook, wrong: &mut Vec<String>) {
    let text = &book.script.text;
    for name in book.reads.keys().filter(|_| book.prints == Prints::Lines) {
        if !text.contains(&format!("diag: {name}=")) && !text.contains(&format!("say {name} ")) {
            wrong.push(format!("the script prints no `{name}`"));
        }
    }
}

fn expectation(book: &TestBook, rule: &Expectation) -> Option<String> {
    let bounds = rule.at_least.is_some() || rule.at_most.is_some() || rule.equals.is_some();
    let bounds = bounds || rule.of_median.is_some() || rule.times_median.is_some();
    let text = rule.equals.is_some() && rule.at_least.is_none() && rule.at_most.is_none();
    let read = &rule.read;
    match book.reads.get(read) {
        None => Some(format!("an expectation is of `{read}`, which is not read")),
        Some(declared) if declared.text && !text => {
            Some(format!("`{read}` is text: all that can be expected of it is what it `equals`"))
        }
        _ if !bounds => Some(format!("the expectation of `{read}` says nothing")),
        _ if rule.source.is_empty() => Some(format!("the expectation of `{read}` names no source")),
        _ => rule.when.keys().find(|what| !book.reads.contains_key(*what) && !book.params.contains_key(*what)).map(
            |what| format!("the expectation of `{read}` depends on `{what}`, which is neither read nor a parameter"),
        ),
    }
}

/// What does not come out of a case as it says.
#[must_use]
pub fn rehearse(book: &TestBook, case: &TestCase) -> Vec<String> {
    let mut params = defaults(book);
    params.extend(case.params.clone());
    let env = params.into_iter().map(|(name, value)| (format!("DIAG_{}", name.to_uppercase()), value)).collect();
    let stdout = Kept { text: case.prints.clone(), dropped: 0 };
    let ran = Ran { stdout, took: Duration::ZERO, ..Ran::without_output(Target::Here, End::Exit(case.exit)) };
    let judgement = judge(&book.rubric(), &ran, &env, (book.shape.teller(), case.world.unwrap_or(1)));
    let mut wrong = Vec::new();
    let why = judgement.why.join("; ");
    if judgement.judged != case.expect {
        wrong.push(format!("it came out as {:?}: {why}", judgement.judged));
    }
    if !why.contains(&case.why) {
        wrong.push(format!("the reason is {why:?}"));
    }
    for (name, value) in &case.reads {
        let found = judgement.readings.get(name).and_then(super::reads::Value::number);
        if found != Some(*value) {
            wrong.push(format!("`{name}` came out as {found:?}"));
        }
    }
    wrong
}

/// The parameters' defaults.
#[must_use]
pub fn defaults(book: &TestBook) -> IndexMap<String, String> {
    let value = |(name, parameter): (&String, &crate::playbook::schema::Parameter)| {
        Some((name.clone(), parameter.default.as_ref()?.to_string()))
    };
    book.params.iter().filter_map(value).collect()
}
