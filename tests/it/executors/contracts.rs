//! What every executor promises.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use diag::exec::End;
use diag::plan::{Script, What};
use tokio_util::sync::CancellationToken;

use super::stage::{
    Notes, Stage, all_gone, approved, argv, odd_sleep, processes_with, run, run_and_stop, script, task, work,
};

/// What is promised, and how it is tried.
type Contract = (&'static str, fn(&Stage));

/// All of them.
const CONTRACTS: [Contract; 13] = [
    ("exit statuses and signals are exact", ends_are_exact),
    ("hostile values stay values", hostile_values_stay_values),
    ("a time-out kills all that was started", a_time_out_kills_all),
    ("a stop leaves nothing behind", a_stop_leaves_nothing_behind),
    ("what was stopped before it began did not begin", a_stop_before_the_start),
    ("what outlives its command is ended with it", leftovers_are_ended),
    ("a cap holds, and the rest is counted", a_cap_holds),
    ("output comes as it was printed", output_is_exact),
    ("output is told as it comes", output_streams),
    ("what can't be run is no failed test", what_cannot_run_says_so),
    ("a forged end is output", a_forged_end_is_output),
    ("the environment is as told", the_environment_is_as_told),
    ("bash is bash", bash_is_bash),
];

static SLEEPS: AtomicU32 = AtomicU32::new(1);

/// Asks an executor for everything.
pub(super) fn hold(stage: &Stage) {
    for (what, contract) in CONTRACTS {
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| contract(stage)));
        assert!(held.is_ok(), "{} does not hold by {}", what, stage.executor.name());
    }
}

fn sleep() -> String {
    odd_sleep(SLEEPS.fetch_add(1, Ordering::Relaxed))
}

fn ends_are_exact(stage: &Stage) {
    for status in [0, 1, 3, 126, 137, 143, 255] {
        let ran = stage.one(script(&format!("exit {status}")));
        assert_eq!(ran.end, End::Exit(status), "{ran:?}");
    }
    for signal in [1, 2, 6, 9, 11, 13, 15].into_iter().filter(|signal| !ignored(*signal)) {
        let ran = stage.one(script(&format!("ulimit -c 0; kill -{signal} $$; sleep 5")));
        assert_eq!(ran.end, End::Signal(signal), "{ran:?}");
    }
    assert_eq!(stage.one(argv(&["false"])).end, End::Exit(1));
}

/// Whether whoever started this program had a signal ignored (`nohup` does, or a shell that starts it beside itself): all
/// that it starts ignores it too. Rust itself ignores a broken pipe (13), and not in what it starts.
fn ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    signal != 13 && u64::from_str_radix(mask, 16).unwrap() >> (signal - 1) & 1 == 1
}

/// Values that a shell would take for something else.
fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "; touch /tmp/diag-was-here",
        "$(touch /tmp/diag-was-here)",
        "`touch /tmp/diag-was-here`",
        "' ; touch /tmp/diag-was-here ; '",
        "\" ; touch /tmp/diag-was-here ; \"",
        "a\nb\n\nc\n",
        "\n}\ntouch /tmp/diag-was-here\n{",
        "-rf",
        "--help",
        "",
        " lead and trail ",
        "*",
        "~",
        "!!",
        "$HOME ${HOME} $0 $$ $?",
        "back\\slash\\n \\' \\\" \\",
        "tab\tcr\rbell\u{7}esc\u{1b}[31mdel\u{7f}",
        "\u{1}\u{1e}diag: ended exit 0\n",
        "caf\u{e9} \u{4f60}\u{597d} \u{202e}abc \u{200b} \u{81}\u{82}\u{88} \u{1f980}",
        "%s %d %n %%",
        "a=b A=b",
        "<&3 >&2 |& ||",
        "'''",
    ]
    .map(str::to_owned)
    .to_vec();
    values.push("'\"$`\\".repeat(2000));
    values
}

fn hostile_values_stay_values(stage: &Stage) {
    let values = hostile();
    let words: Vec<&str> = ["printf", "<%s>"].into_iter().chain(values.iter().map(String::as_str)).collect();
    let ran = stage.one(argv(&words));
    let wanted: String = values.iter().map(|value| format!("<{value}>")).collect();
    assert_eq!((&ran.end, ran.stdout.text.as_str()), (&End::Exit(0), wanted.as_str()), "{ran:?}");
    let names: Vec<String> = (0..values.len()).map(|nth| format!("DIAG_V{nth}")).collect();
    let uses: String = names.iter().map(|name| format!("printf '<%s>' \"${name}\"\n")).collect();
    let mut asked = script(&uses);
    asked.env = names.into_iter().zip(values).collect();
    let ran = stage.one(asked);
    assert_eq!((&ran.end, ran.stdout.text.as_str()), (&End::Exit(0), wanted.as_str()), "{ran:?}");
    assert!(!std::path::Path::new("/tmp/diag-was-here").exists());
}

/// Starts processes that hide: in the background, in a session of their own, deaf to SIGTERM, without environment.
fn hiding(sleep: &str) -> String {
    format!(
        "sleep {sleep} & setsid sleep {sleep} & (trap '' TERM; sleep {sleep} & wait) & env -i sleep {sleep} &
         (setsid sh -c 'trap \"\" TERM; sleep {sleep} & sleep {sleep}' &) ; timeout 3600 sleep {sleep} &
         echo started; trap '' TERM; sleep {sleep}; sleep {sleep}"
    )
}

fn a_time_out_kills_all(stage: &Stage) {
    let sleep = sleep();
    let mut asked = script(&hiding(&sleep));
    asked.timeout = Duration::from_secs(1);
    let began = Instant::now();
    let ran = stage.one(asked);
    assert_eq!((&ran.end, ran.stdout.text.as_str()), (&End::TimedOut, "started\n"), "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    all_gone(&sleep);
    assert!(!ran.notes.iter().any(|note| note.contains("killed")), "{ran:?}");
}

fn a_stop_leaves_nothing_behind(stage: &Stage) {
    let sleep = sleep();
    let parts = vec![vec![(stage.target.clone(), script(&hiding(&sleep)))]];
    let began = Instant::now();
    let after = Duration::from_secs(3);
    let rans = run_and_stop(stage.executor, task(parts), after);
    assert_eq!(rans[0].end, End::Cancelled { begun: true }, "{rans:?}");
    assert!(began.elapsed() < after + Duration::from_secs(15), "{:?}", began.elapsed());
    all_gone(&sleep);
}

fn a_stop_before_the_start(stage: &Stage) {
    let stop = CancellationToken::new();
    stop.cancel();
    let task = approved(task(vec![vec![(stage.target.clone(), script("exit 0"))]]));
    let notes = Notes::default();
    let rans = diag::exec::run(stage.executor, &task, &stop, &notes).unwrap();
    assert_eq!(rans[0].end, End::Cancelled { begun: false });
    assert!(!notes.said.lock().unwrap().iter().any(|(_, said)| said.contains("began")));
}

fn leftovers_are_ended(stage: &Stage) {
    let sleep = sleep();
    let ran = stage.one(script(&format!("sleep {sleep} & (trap '' TERM; sleep {sleep}) & echo out; exit 4")));
    assert_eq!((&ran.end, ran.stdout.text.as_str()), (&End::Exit(4), "out\n"), "{ran:?}");
    all_gone(&sleep);
}

fn a_cap_holds(stage: &Stage) {
    let mut asked = script("head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2; exit 5");
    asked.output_cap = 1000;
    let ran = stage.one(asked);
    assert_eq!(ran.end, End::Exit(5), "{ran:?}");
    assert_eq!((ran.stdout.text.len(), ran.stdout.dropped), (1000, 2_999_000));
    assert_eq!((ran.stderr.text.as_str(), ran.stderr.dropped), ("end\n", 0));
}

fn output_is_exact(stage: &Stage) {
    let ran = stage.one(script("printf 'no newline'; printf 'err\\n\\n' >&2; cat"));
    let outputs = (ran.stdout.text.as_str(), ran.stderr.text.as_str());
    assert_eq!((&ran.end, outputs), (&End::Exit(0), ("no newline", "err\n\n")), "{ran:?}");
    let ran = stage.one(script("printf 'a\\377\\0b\\r\\n'; printf 'x%.0s' $(seq 5000); echo; echo last"));
    let wanted = format!("a\u{fffd}\0b\r\n{}\nlast\n", "x".repeat(5000));
    assert_eq!(ran.stdout.text, wanted);
    let ran = stage.one(script("true"));
    assert_eq!((ran.stdout.text.as_str(), ran.stderr.text.as_str()), ("", ""), "{ran:?}");
}

fn output_streams(stage: &Stage) {
    let notes = Notes::default();
    let task = approved(task(vec![vec![(stage.target.clone(), script("echo first; sleep 2; echo second"))]]));
    diag::exec::run(stage.executor, &task, &CancellationToken::new(), &notes).unwrap();
    let said = notes.said.into_inner().unwrap();
    let when = |word: &str| said.iter().find(|(_, said)| said.contains(word)).unwrap_or_else(|| panic!("{said:?}")).0;
    assert!(when("second") - when("first") > Duration::from_secs(1), "{said:?}");
    assert!(when("began") <= when("first") && when("second") <= when("ended"));
}

fn what_cannot_run_says_so(stage: &Stage) {
    let bad = [
        argv(&["diag-no-such-program", "x"]),
        argv(&["/nowhere/program"]),
        argv(&["echo", "a\0b"]),
        argv(&[]),
        script("echo a\0b"),
        work(What::Script(Script { shell: "python3".to_owned(), ..Script::sh("print(1)") })),
    ];
    for bad in bad {
        let ran = stage.one(bad);
        assert!(matches!(ran.end, End::CannotRun(_)), "{ran:?}");
    }
    // One that can't begin keeps the other of its group from beginning.
    let there = std::env::temp_dir().join(format!("diag-began-{}", std::process::id()));
    let mut touches = argv(&["touch", there.to_str().unwrap()]);
    touches.access.files = true;
    let target = || stage.target.clone();
    let rans = run(stage.executor, task(vec![vec![(target(), argv(&["a\0b"]))], vec![(target(), argv(&["true"]))]]));
    assert!(matches!(rans[0].end, End::CannotRun(_)), "{rans:?}");
    assert_eq!(rans[1].end, End::Exit(0), "another group is not touched: {rans:?}");
    assert!(!there.exists());
}

fn a_forged_end_is_output(stage: &Stage) {
    let zeros = "0".repeat(32);
    let forged = format!("\u{1e}diag:{zeros} ended exit 0\n");
    let ran = stage.one(script(&format!("printf '%s\\n' '{0}'; printf '%s\\n' '{0}' >&2; exit 9", forged.trim())));
    assert_eq!((&ran.end, &ran.stdout.text, &ran.stderr.text), (&End::Exit(9), &forged, &forged));
}

fn the_environment_is_as_told(stage: &Stage) {
    let mut asked = script("env");
    asked.env = [("DIAG_SIZE".to_owned(), "8G".to_owned())].into();
    let ran = stage.one(asked);
    assert!(ran.stdout.text.lines().any(|line| line == "DIAG_SIZE=8G"), "{ran:?}");
    for gone in ["CARGO_MANIFEST_DIR=", "DIAG_COMMAND="] {
        assert!(!ran.stdout.text.contains(gone), "{gone}: {ran:?}");
    }
    for name in ["lower", "A B", "A=B", "DIAG_RUN", "X\nY"] {
        let mut asked = script("true");
        asked.env = [(name.to_owned(), "1".to_owned())].into();
        assert!(matches!(stage.one(asked).end, End::CannotRun(_)), "{name:?}");
    }
}

fn bash_is_bash(stage: &Stage) {
    let text = "a=(1 2 3); [[ ${#a[@]} == 3 ]] && echo \"$BASH_VERSION\" >&2; exit 6";
    let ran = stage.one(work(What::Script(Script { shell: "bash".to_owned(), ..Script::sh(text) })));
    assert_eq!(ran.end, End::Exit(6), "{ran:?}");
    assert!(!ran.stderr.text.is_empty(), "{ran:?}");
    assert!(processes_with("diag-no-such").is_empty());
}
