//! The engine on a world of three kinds of line.

use diag_parsers::{Block, Catalogue, Depth, FormatFile, Scanner};

use super::{Ranked, culprit, weigh};
use crate::evidence::{Ledger, Table};
use crate::playbook::Playbook;
use crate::verdict::{Confidence, Outcome};

const FORMAT: &str = r#"
schema = 1
id = "toy"
[event.fault]
says = "failure"
pattern = ['''FAULT code=(?P<code>\d+)(?: on (?P<node>\S+))?''']
fields = { code = "int", node = "str?" }
[event.victim]
says = "failure"
pattern = ['''VICTIM waits''']
[event.torn]
says = "teardown"
pattern = ['''TORN down''']
[event.hint]
says = "warning"
pattern = ['''HINT about (?P<node>\S+)''']
fields = { node = "str" }
[event.step]
says = "progress"
pattern = ['''STEP (?P<step>\d+)''']
fields = { step = "int" }
[event.done]
says = "success"
pattern = ['''RUN DONE''']
"#;

const FAULT: &str = r#"
schema = 1
id = "fault"
title = "A fault"
status = "test"
[needs.fault]
evidence = "toy.fault"
where = { code = { at_least = 10 } }
pick = "each"
[supports.hint]
evidence = "toy.hint"
same = ["node"]
[[echoes]]
kinds = ["toy.victim"]
on = "others"
[explain]
what = "It broke [fault]."
"#;

const VICTIM: &str = r#"
schema = 1
id = "victim"
title = "A victim"
status = "test"
[needs.victim]
evidence = "toy.victim"
likely = true
[explain]
what = "It waits [victim]."
"#;

fn table(log: &str) -> Table {
    let format: FormatFile = toml::from_str(FORMAT).unwrap();
    let scanner = Scanner::new(Catalogue::with(&[format]).unwrap());
    let mut ledger = Ledger::default();
    let block = Block::whole(log.as_bytes());
    scanner.scan(block, log.len(), Depth::Every, &mut |event| ledger.absorb(event));
    Table::new(vec![("job.log".to_owned(), ledger)])
}

fn judge<T>(log: &str, look: impl FnOnce(Outcome, &[Ranked<'_>], &Table) -> T) -> T {
    let playbooks: Vec<Playbook> = [FAULT, VICTIM].iter().map(|text| toml::from_str(text).unwrap()).collect();
    let table = table(log);
    let (outcome, ranked) = weigh(&table, &playbooks.iter().collect::<Vec<_>>());
    look(outcome, &ranked, &table)
}

fn roots(ranked: &[Ranked<'_>]) -> Vec<(String, Confidence)> {
    let roots = ranked.iter().filter(|ranked| ranked.root);
    roots.map(|ranked| (ranked.found.playbook.id.clone(), ranked.found.confidence)).collect()
}

#[test]
fn a_victim_is_a_consequence_of_the_cause_before_it() {
    let log = "[rank3]: FAULT code=12 on gpu-1\nHINT about gpu-1\n[rank1]: VICTIM waits\n";
    judge(log, |outcome, ranked, table| {
        assert_eq!(outcome, Outcome::Diagnosed);
        assert_eq!(roots(ranked), [("fault".to_owned(), Confidence::Likely)]);
        assert_eq!(ranked[0].consequences.len(), 1);
        let (culprit, everyone) = culprit(&ranked[0].found, table);
        assert_eq!((culprit.ranks, culprit.nodes, everyone), (vec![3], vec!["gpu-1".to_owned()], false));
    });
}

#[test]
fn an_echo_on_the_culprit_itself_or_before_the_cause_is_none() {
    judge("[rank3]: FAULT code=12\n[rank3]: VICTIM waits\n", |_, ranked, _| assert_eq!(roots(ranked).len(), 2));
    judge("[rank1]: VICTIM waits\n[rank3]: FAULT code=12\n", |_, ranked, _| assert_eq!(roots(ranked).len(), 2));
}

#[test]
fn a_hint_about_another_node_supports_nothing() {
    judge("FAULT code=12 on gpu-1\nHINT about gpu-2\n", |outcome, ranked, _| {
        assert_eq!(outcome, Outcome::Undetermined);
        assert_eq!(roots(ranked), [("fault".to_owned(), Confidence::Possible)]);
    });
}

#[test]
fn a_fault_that_the_run_survives_is_no_cause() {
    let quiet = |log: &str| judge(log, |outcome, _, _| assert_eq!(outcome, Outcome::Healthy, "{log}"));
    quiet("STEP 1\nFAULT code=12\nSTEP 2\nSTEP 3\n");
    quiet("FAULT code=12\nRUN DONE\n");
    quiet("RUN DONE\nTORN down\n");
    judge("STEP 1\nFAULT code=12\nSTEP 2\n", |outcome, _, _| assert_eq!(outcome, Outcome::Undetermined));
}

#[test]
fn what_is_only_torn_down_is_undetermined() {
    judge("TORN down\n", |outcome, ranked, _| assert_eq!((outcome, ranked.len()), (Outcome::Undetermined, 0)));
}

#[test]
fn where_every_rank_is_hit_no_rank_is_to_blame() {
    let log = "[rank0]: FAULT code=12\n[rank1]: FAULT code=12\n";
    judge(log, |_, ranked, table| {
        let (culprit, everyone) = culprit(&ranked[0].found, table);
        assert!(everyone && culprit.ranks.is_empty());
    });
}
