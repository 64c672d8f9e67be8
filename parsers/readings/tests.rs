use super::*;

const LOOK: &str = r#"{
  "schema": "diag.readings/1",
  "node": "gpu-17",
  "time": "2026-05-04T03:12:41.5Z",
  "verdict": "bad",
  "elapsed_ms": 208,
  "readings": [
    {"probe": "gpu", "name": "count", "value": 8.0, "verdict": "ok"},
    {
      "probe": "gpu",
      "name": "answers",
      "of": {"index": "3"},
      "value": false,
      "verdict": "bad",
      "why": "the GPU has fallen off the bus"
    },
    {"probe": "fabric", "name": "rate", "of": {"port": "mlx5_0/1"}, "value": 2e11, "unit": "bits_per_second", "expected": "400 Gb/s", "verdict": "degraded", "why": "slow"},
    {"probe": "mounts", "name": "run", "of": {"subject": "/data"}, "verdict": "unknown", "why": "no answer within 2 s"},
    {"probe": "clock", "name": "synchronised", "verdict": "cannot-run", "why": "no"},
    {"probe": "coffee", "name": "level", "verdict": "bad", "why": "empty"}
  ]
}
"#;

const RUN: &str = r#"{"schema":"diag.hook/1","time":"2026-05-04T03:12:41Z","node":"gpu-17","hook":"prolog","job":71204,"decision":"refuse","reason":"GPU 3: the GPU has fallen off the bus","elapsed_ms":90,"readings":[{"probe":"gpu","name":"answers","of":{"gpu":"0000:1b:00.0","index":"3"},"value":false,"verdict":"bad","why":"the GPU has fallen off the bus"}]}"#;

fn read(text: &str) -> (Vec<Event>, Vec<Problem>) {
    assert!(Looks.recognises(text.as_bytes(), "x"));
    let mut out = Vec::new();
    let problems = Looks.read(text.as_bytes(), "x", &mut out);
    (out, problems)
}

#[test]
fn what_is_not_ok_is_told_and_only_what_is_bad_failed() {
    let (events, problems) = read(LOOK);
    assert_eq!(problems, []);
    let told: Vec<(Name, Says, u64)> = events.iter().map(|event| (event.kind, event.says, event.line)).collect();
    let wanted = [
        (kinds::LOOK, Says::Info, 3),
        (kinds::GPU_LOST, Says::Failure, 15),
        ("probe.fabric.rate", Says::Warning, 17),
        (kinds::UNKNOWN, Says::Failure, 18),
        (kinds::CANNOT_RUN, Says::Info, 19),
        (kinds::OTHER, Says::Failure, 20),
        (kinds::MEASURED, Says::Info, 17),
    ];
    assert_eq!(told, wanted);
    let (lost, rate, silent) = (&events[1], &events[2], &events[3]);
    assert_eq!(lost.text, r#"      "why": "the GPU has fallen off the bus""#);
    assert_eq!((lost.fields.text("node"), lost.fields.text("gpu")), (Some("gpu-17"), Some("GPU 3")));
    assert_eq!(lost.fields.get("value"), Some(&Value::Bool(false)));
    assert_eq!((rate.fields.int("value"), rate.fields.text("hca")), (Some(200_000_000_000), Some("mlx5_0")));
    assert_eq!((silent.fields.text("reading"), silent.fields.text("subject")), (Some("mounts.run"), Some("/data")));
    assert_eq!(lost.at, time::read("2026-05-04T03:12:41.5Z"));
    assert!(lost.at.is_some());
}

#[test]
fn a_run_of_a_hook_is_told_with_its_readings_and_a_cut_line_costs_itself_only() {
    let pass = RUN.replace("refuse", "pass");
    let text = format!("{}\n{}\n{RUN}\n{pass}\n", RUN.replace("refuse", "held-back"), &RUN[..140]);
    let (events, problems) = read(&text);
    let told: Vec<(Name, u64)> = events.iter().map(|event| (event.kind, event.line)).collect();
    let lost = kinds::GPU_LOST;
    assert_eq!(told, [(kinds::HELD_BACK, 1), (lost, 1), (kinds::REFUSED, 3), (lost, 3), (lost, 4)]);
    assert_eq!((events[2].fields.int("job"), events[2].fields.text("node")), (Some(71204), Some("gpu-17")));
    assert_eq!(events[3].fields.int("job"), Some(71204));
    assert_eq!(events[2].text, RUN);
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2]);
}

#[test]
fn an_error_instead_of_a_value_tells_of_the_gpu() {
    let asked = |name: &str, why: &str| {
        let reading = format!(r#"{{"probe":"gpu","name":"{name}","verdict":"bad","why":"{why}"}}"#);
        read(&format!(r#"{{"schema":"diag.readings/1","readings":[{reading}]}}"#)).0[1].kind
    };
    assert_eq!(asked("ecc.dram.uncorrected.volatile", "an interrupt issue"), kinds::GPU_ANSWERS);
    assert_eq!(asked("answers", "the driver demands a reset"), kinds::GPU_ANSWERS);
    assert_eq!(asked("temperature", "the GPU has fallen off the bus"), kinds::GPU_LOST);
    assert_eq!(asked("driver", "no driver answers"), "probe.gpu.driver");
}

#[test]
fn other_documents_are_left_alone() {
    for text in [
        "",
        "{",
        r#"{"schema":"else/1"}"#,
        r#"{"node":"x","schema":"diag.readings/1"}"#,
        r#"{"x":"\"schema\":\"diag.hook/1\""}"#,
    ] {
        assert!(!Looks.recognises(text.as_bytes(), "x"), "{text}");
    }
}

#[test]
fn a_document_of_broken_lines_ends() {
    let text = format!("{{\"schema\":\"diag.hook/1\",\n{}", "{\"a\":\n".repeat(10_000));
    assert_eq!(read(&text).1.len(), MOST_BROKEN);
}

#[test]
fn each_kind_has_one_name() {
    assert_eq!(kinds::of("gpu", "ecc.dram.uncorrected.volatile"), "probe.gpu.ecc.dram.uncorrected.volatile");
    assert_eq!((kinds::of("gpu.ecc", "x"), kinds::of("", "unknown")), (kinds::OTHER, kinds::OTHER));
}

#[test]
fn nothing_known_is_not_health() {
    let silent = |rest: &str| {
        let text = format!(
            r#"{{"schema":"diag.readings/1","node":"gpu-17","verdict":"unknown","readings":[{{"probe":"gpu","name":"run","verdict":"unknown"}}{rest}]}}"#
        );
        read(&text).0.iter().map(|event| (event.kind, event.says)).collect::<Vec<_>>()
    };
    let look = (kinds::LOOK, Says::Info);
    let unknown = (kinds::UNKNOWN, Says::Failure);
    assert_eq!(silent(""), [look, unknown, (kinds::NOTHING, Says::Failure)]);
    assert_eq!(silent(r#",{"probe":"memory","name":"total","value":1,"verdict":"ok"}"#), [look, unknown]);
}

#[test]
fn an_xid_each_is_told_of_the_kernel_s_log() {
    let text = r#"{"schema":"diag.readings/1","node":"gpu-17","readings":[
{"probe":"kernel","name":"xid","of":{"gpu":"0000:9d:00.0"},"value":"48,63","verdict":"bad","why":"Xid 48: reset the GPU"}]}"#;
    let xids: Vec<_> = read(text).0.iter().map(|event| (event.kind, event.line, event.fields.int("xid"))).collect();
    assert_eq!(xids[1..], [(kinds::XID, 2, Some(48)), (kinds::XID, 2, Some(63))]);
    let text = r#"{"schema":"diag.readings/1","readings":[{"probe":"kernel","name":"machine_check","value":2,"verdict":"bad"}]}"#;
    assert_eq!(read(text).0[1].kind, "probe.kernel.machine_check");
}

#[test]
fn numbers_are_told_with_the_type_of_their_node() {
    let text = r#"{"schema":"diag.readings/1","node":"gpu-17","readings":[
{"probe":"gpu","name":"name","of":{"index":"0"},"value":"NVIDIA H100 80GB HBM3","verdict":"ok"},
{"probe":"gpu","name":"utilization","of":{"index":"0"},"value":0.97,"verdict":"ok"},
{"probe":"gpu","name":"clock.sm","of":{"index":"0"},"value":1.98e9,"unit":"hertz","verdict":"ok"},
{"probe":"gpu","name":"power","of":{"index":"0"},"value":650,"unit":"watts","verdict":"ok"}]}"#;
    let (events, _) = read(text);
    let measured: Vec<_> = events.iter().filter(|event| event.kind == kinds::MEASURED).collect();
    assert_eq!(measured.len(), 1);
    let fields = &measured[0].fields;
    assert_eq!((fields.text("reading"), fields.int("value")), (Some("gpu.clock.sm"), Some(1_980_000_000)));
    assert_eq!(
        (fields.text("model"), fields.get("at_work")),
        (Some("NVIDIA H100 80GB HBM3"), Some(&Value::Bool(true)))
    );
}

#[test]
fn of_many_nodes_each_is_told_as_alone_and_who_could_not_be_reached_as_well() {
    let own = LOOK.replace("\"node\": \"gpu-17\"", "\"node\": \"gpu-18\"");
    let why = |why: &str| format!(r#"{{"node":"gpu-17","verdict":"unknown","why":"{why}"}}"#);
    let nodes = [
        why("unreachable: gpu-17: Connection refused (os error 111)"),
        why("unreachable: it did not answer within 15s"),
        why("unreachable: ssh: connect to host gpu-17 port 22: No route to host"),
        why("refused: its host key is not the one in known_hosts: REMOTE HOST IDENTIFICATION HAS CHANGED"),
        why("refused: it does not let us in: Permission denied"),
        why("timed out, killed"),
        why("`diag` is not there"),
        // A look within a look is none.
        r#"{"node":"x","look":{"schema":"diag.nodes/1","nodes":[{"node":"y","why":"timed out"}]}}"#.to_owned(),
    ];
    let text = format!(
        "{{\"schema\":\"diag.nodes/1\",\"nodes\":[\n{{\"node\":\"gpu-18\",\"look\":{own}}},\n{}]}}",
        nodes.join(",\n")
    );
    let (events, problems) = read(&text);
    assert_eq!(problems, []);
    assert_eq!((events[0].kind, events[0].fields.text("node")), (kinds::LOOK, Some("gpu-18")));
    assert!(events.iter().any(|event| event.kind == kinds::GPU_LOST));
    let told: Vec<(Name, Says, &str)> = events
        .iter()
        .filter(|event| event.fields.text("node") == Some("gpu-17"))
        .map(|event| (event.kind, event.says, event.fields.text("way").unwrap()))
        .collect();
    let wanted = [
        (kinds::UNREACHABLE, Says::Failure, "refused"),
        (kinds::UNREACHABLE, Says::Failure, "mute"),
        (kinds::UNREACHABLE, Says::Failure, "silent"),
        (kinds::NOT_TRUSTED, Says::Failure, "host-key"),
        (kinds::NOT_TRUSTED, Says::Failure, "login"),
        (kinds::UNKNOWN, Says::Failure, "hangs"),
        (kinds::CANNOT_RUN, Says::Info, "cannot-run"),
    ];
    assert_eq!(told, wanted);
}
