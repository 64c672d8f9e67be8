use super::*;

fn field(nodes: usize) -> Field {
    Field { nodes, groups: Vec::new(), seed: 7, vital: false, shape: Shape::Pair, trust: Trust::default() }
}

/// Runs a field to its verdict; `sign` says how each test ends.
fn play(field: &Field, mut sign: impl FnMut(&Test, usize) -> Sign) -> (Verdict, Vec<Vec<Trial>>) {
    let mut history: Vec<Vec<Trial>> = Vec::new();
    for _ in 0..100 {
        match next(field, &history) {
            Step::Done(verdict) => return (verdict, history),
            Step::Round(tests) => {
                let mut nodes: Vec<usize> = tests.iter().flat_map(|test| &test.nodes).copied().collect();
                nodes.sort_unstable();
                let all = nodes.len();
                nodes.dedup();
                assert_eq!(nodes.len(), all, "tests of one round share no node");
                let round = history.len();
                history.push(tests.into_iter().map(|test| Trial { sign: sign(&test, round), test }).collect());
            }
        }
    }
    panic!("it does not end");
}

fn failing(bad: bool) -> Sign {
    if bad { Sign::Fail(Vec::new()) } else { Sign::Pass }
}

fn culprits(verdict: &Verdict) -> Vec<Culprit> {
    verdict.named.iter().map(|named| named.culprit.clone()).collect()
}

#[test]
fn a_bad_node_is_named_whether_nodes_are_even_or_odd() {
    for nodes in [3, 4, 5, 16, 33, 128] {
        for bad in [0, nodes / 2, nodes - 1] {
            let (verdict, history) = play(&field(nodes), |test, _| failing(test.nodes.contains(&bad)));
            assert_eq!((verdict.outcome, culprits(&verdict)), (Outcome::Named, vec![Culprit::Node(bad)]), "{nodes}");
            assert!(history.len() <= 8 && verdict.named[0].partners > 1, "{nodes} nodes: {} rounds", history.len());
        }
    }
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    for nodes in [2, 3, 9, 128] {
        let (verdict, history) = play(&field(nodes), |_, _| Sign::Pass);
        assert_eq!(verdict.outcome, Outcome::Clear, "{nodes}: {verdict:?}");
        assert!(history.len() <= 3, "{nodes}");
    }
}

#[test]
fn between_two_nodes_it_stays_open() {
    let (verdict, _) = play(&field(2), |_, _| failing(true));
    assert_eq!((verdict.outcome, verdict.named.len()), (Outcome::Undetermined, 0));
    assert_eq!(verdict.open[0].nodes, [0, 1]);
}

#[test]
fn one_node_has_no_partner() {
    let (verdict, history) = play(&field(1), |_, _| Sign::Pass);
    assert_eq!((verdict.outcome, history.len()), (Outcome::Undetermined, 0));
    let alone = Field { vital: true, ..field(1) };
    assert_eq!(play(&alone, |_, _| failing(true)).0.outcome, Outcome::Named);
}

#[test]
fn who_fails_with_one_partner_only_is_a_path() {
    let mut path = None;
    let (verdict, _) = play(&field(64), |test, _| {
        let pair = belief::ordered(test.nodes[0], test.nodes[1]);
        failing(*path.get_or_insert(pair) == pair)
    });
    let (a, b) = path.unwrap();
    assert_eq!(culprits(&verdict), [Culprit::Path(a, b)]);
}

#[test]
fn who_fails_alone_is_named_after_a_second_time_and_pairs_with_nobody() {
    let vital = Field { vital: true, ..field(16) };
    let (verdict, history) = play(&vital, |test, _| failing(test.nodes == [3]));
    assert_eq!(culprits(&verdict), [Culprit::Node(3)]);
    assert_eq!(verdict.named[0].how, How::Alone);
    assert!(history.iter().flatten().all(|trial| trial.test.nodes.len() == 1 || !trial.test.nodes.contains(&3)));
    let (verdict, history) = play(&vital, |test, round| failing(test.nodes == [3] && round == 0));
    assert_eq!(verdict.outcome, Outcome::Clear, "once is chance: it takes part again");
    assert!(history.iter().flatten().any(|trial| trial.test.nodes.len() == 2 && trial.test.nodes.contains(&3)));
}

#[test]
fn what_cannot_run_fails_nobody() {
    let (verdict, _) =
        play(&field(16), |test, _| if test.nodes.contains(&5) { Sign::CannotRun(vec![5]) } else { Sign::Pass });
    assert_eq!((verdict.outcome, verdict.not_tested), (Outcome::Clear, vec![5]));
    let (verdict, _) =
        play(&field(16), |test, _| if test.nodes.contains(&5) { Sign::CannotRun(Vec::new()) } else { Sign::Pass });
    assert!(verdict.named.is_empty() && verdict.open.is_empty() && verdict.not_tested.contains(&5), "{verdict:?}");
    let (verdict, _) = play(&field(16), |_, _| Sign::CannotRun(Vec::new()));
    assert_eq!(verdict.outcome, Outcome::CannotRun);
}

/// A node may carry next to nothing once, and then not answer any more: that is no all-clear.
#[test]
fn who_failed_and_can_not_be_tested_any_more_stays_open() {
    let mut times = 0;
    let (verdict, _) = play(&field(16), |test, _| {
        if !test.nodes.contains(&5) {
            return Sign::Pass;
        }
        times += 1;
        if times == 1 { Sign::Fail(Vec::new()) } else { Sign::CannotRun(vec![5]) }
    });
    assert_eq!((verdict.outcome, verdict.not_tested), (Outcome::Undetermined, vec![5]));
    assert!(verdict.named.is_empty() && verdict.open.len() == 1 && verdict.open[0].nodes == [5], "{:?}", verdict.open);
    assert_eq!((verdict.open[0].failed, verdict.open[0].ran), (1, 1));
}

#[test]
fn where_most_fail_the_test_is_suspected() {
    let (verdict, history) = play(&field(32), |_, _| failing(true));
    assert_eq!((verdict.outcome, verdict.named.len()), (Outcome::TestSuspect, 0));
    assert_eq!(history.len(), 2);
    let (verdict, _) = play(&field(32), |test, _| failing(test.nodes.iter().any(|node| *node < 20)));
    assert_eq!((verdict.outcome, verdict.named.len()), (Outcome::TestSuspect, 0));
}

#[test]
fn a_rail_that_fails_everywhere_is_the_rail() {
    let (verdict, _) = play(&field(32), |_, _| Sign::Fail(vec!["mlx5_3".to_owned()]));
    assert_eq!(culprits(&verdict), [Culprit::Arm("mlx5_3".to_owned())]);
    let (verdict, _) =
        play(
            &field(32),
            |test, _| {
                if test.nodes.contains(&9) { Sign::Fail(vec!["mlx5_3".to_owned()]) } else { Sign::Pass }
            },
        );
    assert_eq!((culprits(&verdict), &verdict.named[0].arms[..]), (vec![Culprit::Node(9)], &["mlx5_3".to_owned()][..]));
}

#[test]
fn what_all_nodes_of_a_leaf_share_is_named_instead_of_them() {
    let leaves = Field { groups: (0..8).map(|leaf| (leaf * 8..leaf * 8 + 8).collect()).collect(), ..field(64) };
    let inside = |test: &Test, leaf: usize| test.nodes.iter().filter(|node| **node / 8 == leaf).count();
    let (verdict, _) = play(&leaves, |test, _| failing(inside(test, 2) > 0));
    assert_eq!(culprits(&verdict), [Culprit::Group(2)], "{verdict:?}");
    let (verdict, _) = play(&leaves, |test, _| failing(inside(test, 2) == 1));
    assert_eq!(culprits(&verdict), [Culprit::Uplink(2)], "{verdict:?}");
}

#[test]
fn what_fails_only_as_a_whole_is_found_by_halves() {
    let any = Field { shape: Shape::Any, ..field(64) };
    let (verdict, _) = play(&any, |test, _| failing(test.nodes.len() > 10 && test.nodes.contains(&11)));
    assert_eq!((culprits(&verdict), verdict.named[0].how), (vec![Culprit::Node(11)], How::AtScale));
    let (verdict, _) = play(&any, |test, _| failing(test.nodes.len() > 40));
    assert!(verdict.outcome == Outcome::Undetermined && verdict.open[0].together, "{verdict:?}");
    let (verdict, history) = play(&any, |_, _| Sign::Pass);
    assert_eq!((verdict.outcome, history.len()), (Outcome::Clear, 1));
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let run = || play(&field(40), |test, _| failing(test.nodes.contains(&1))).1;
    assert_eq!(run(), run());
}
