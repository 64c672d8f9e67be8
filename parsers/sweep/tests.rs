use super::*;

const SWEEP: &str = r#"{
  "schema": "diag.sweep/1",
  "test": "iperf3-pair",
  "outcome": "OUTCOME",
  "named": [
    {
      "who": "node gpu-17",
      "culprit": {
        "node": 0
      },
      "sure": 0.9991,
      "failed": 2,
      "ran": 2,
      "partners": 2,
      "arms": [],
      "how": "in-pairs"
    }
  ],
  "open": [],
  "not_tested": ["gpu-21"],
  "nodes": ["gpu-17", "gpu-18", "gpu-19", "gpu-20", "gpu-21"],
  "rounds": [
    [
      {"nodes": ["gpu-17", "gpu-18"], "purpose": "pairing", "run": {"judged": "fail", "why": ["mbps is 9.4, expected more"], "readings": {"mbps": 9.4}}},
      {"nodes": ["gpu-19", "gpu-20"], "purpose": "pairing", "run": {"judged": "pass", "why": [], "readings": {"mbps": 94}}}
    ]
  ]
}
"#;

fn read(text: &str) -> (Vec<Event>, Vec<Problem>) {
    assert!(Sweeps.recognises(text.as_bytes(), "x"));
    let mut out = Vec::new();
    let problems = Sweeps.read(text.as_bytes(), "x", &mut out);
    (out, problems)
}

fn told(outcome: &str) -> Vec<(Name, u64, Option<String>)> {
    let (events, problems) = read(&SWEEP.replace("OUTCOME", outcome));
    assert_eq!(problems, []);
    events.iter().map(|event| (event.kind, event.line, event.fields.text("node").map(str::to_owned))).collect()
}

#[test]
fn what_the_sweep_decided_is_told_and_nothing_else() {
    let gpu = |name: &str| Some(name.to_owned());
    let left = (UNDECIDED, 20, gpu("gpu-21"));
    assert_eq!(told("named"), [(NAMED, 7, gpu("gpu-17")), left.clone()]);
    assert_eq!(told("undetermined"), [(NAMED, 7, gpu("gpu-17")), left.clone()], "others are open");
    for outcome in ["test-suspect", "cannot-run", "what"] {
        assert_eq!(told(outcome), [(UNDECIDED, 4, None), left.clone()], "{outcome}");
    }
    assert_eq!(told("clear"), [(CLEAR, 4, None), left], "of those that were tested");
}

#[test]
fn a_node_is_told_with_a_partner_that_is_well_and_what_its_equals_reach() {
    let (events, _) = read(&SWEEP.replace("OUTCOME", "named"));
    let fields = &events[0].fields;
    assert_eq!(
        (fields.text("partner"), fields.int("least"), fields.text("why")),
        (Some("gpu-19"), Some(84), Some("mbps is 9.4, expected more"))
    );
}

/// On a busy machine a pair of sound nodes is slow now and then; one that fails with others as often as it passes is no partner.
#[test]
fn one_slow_run_among_good_ones_makes_no_bad_partner() {
    let partner = |runs: &[(&str, &str, &str)]| {
        let run = |(one, other, judged): &(&str, &str, &str)| {
            format!(r#",{{"nodes": ["{one}", "{other}"], "run": {{"judged": "{judged}"}}}}"#)
        };
        let more: String = runs.iter().map(run).collect();
        let text = SWEEP.replace("OUTCOME", "named").replace("\n    ]\n  ]\n}", &format!("{more}\n    ]\n  ]\n}}"));
        let (events, problems) = read(&text);
        assert_eq!(problems, []);
        events[0].fields.text("partner").map(str::to_owned)
    };
    let slow = ("gpu-19", "gpu-20", "fail");
    assert_eq!(partner(&[slow]), None);
    assert_eq!(partner(&[slow, ("gpu-18", "gpu-20", "pass")]).as_deref(), Some("gpu-20"));
    assert_eq!(partner(&[slow, ("gpu-18", "gpu-20", "pass"), ("gpu-18", "gpu-19", "pass")]).as_deref(), Some("gpu-18"));
    assert_eq!(partner(&[slow, ("gpu-17", "gpu-18", "pass")]), None, "with the node itself proves nothing");
}

#[test]
fn what_its_own_runs_do_not_bear_out_blames_nobody() {
    for (from, to) in [
        ("\"node\": 0", "\"node\": 3"),
        ("\"node\": 0", "\"node\": 99"),
        ("\"failed\": 2", "\"failed\": 0"),
        ("\"judged\": \"fail\"", "\"judged\": \"cannot-run\""),
    ] {
        let (events, problems) = read(&SWEEP.replace("OUTCOME", "named").replace(from, to));
        assert!(events.iter().all(|event| event.kind != NAMED) && problems.len() == 1, "{to}: {events:?}");
    }
    let (events, _) = read(&SWEEP.replace("OUTCOME", "named").replace("\"node\": 0", "\"path\": [0, 1]"));
    assert!(events[0].kind == SHARED && events[0].fields.text("node").is_none(), "{events:?}");
    assert!(!Sweeps.recognises(b"step 1 {\"schema\":\"diag.sweep/1\"}", "job.log"));
}
