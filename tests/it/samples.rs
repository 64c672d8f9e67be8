//! The incidents of `sample-logs/` are diagnosed as their folders say.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use diag::verdict::{Confidence, Culprit, Outcome};
use serde::Deserialize;
use serde_json::Value;

/// Incidents with a cause that must stand in the tree, and how many causes they must spread over.
const LEAST_INCIDENTS: usize = 60;
const LEAST_CAUSES: usize = 34;
/// Runs that nothing is wrong with, and failures whose cause the log doesn't tell.
const LEAST_HEALTHY: usize = 8;
const LEAST_UNDETERMINED: usize = 6;
/// Bytes of `sample-logs/` in all: a clone stays small.
const MOST_BYTES: u64 = 12 << 20;

/// `expected.toml`: what a good diagnosis says. What is left out is not asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// The incident in a sentence, for a reader.
    story: String,
    outcome: Outcome,
    /// The slug of the first finding; absent for a healthy run, and free for an undetermined one.
    cause: Option<String>,
    /// The least confidence of that finding.
    confidence: Option<Confidence>,
    /// Each list that is given must be the finding's, whole.
    culprit: Option<Who>,
    /// Lines that the first finding must cite; of an undetermined run, lines that any part of the report cites.
    #[serde(default)]
    cites: Vec<Cite>,
    /// Causes that look possible and must be told as consequences of the first finding.
    #[serde(default)]
    consequences: Vec<String>,
    /// Causes that no finding may name.
    #[serde(default)]
    not_blamed: Vec<String>,
    /// The id of the first fix.
    fix: Option<String>,
    /// Causes of independent incidents in the same folder: told as findings of their own.
    #[serde(default)]
    also: Vec<String>,
    /// What lines hold that must be told as context: no causes.
    #[serde(default)]
    context: Vec<String>,
    /// A clock that must be told to have been settled.
    clock: Option<ClockSettled>,
    /// A word that what is asked for must hold, where nothing is decided.
    ask: Option<String>,
}

/// How the clock of an input came onto the axis of the incident.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockSettled {
    /// Path within `logs/`.
    source: String,
    settled: String,
    /// What was added to its times, to the minute.
    seconds: i64,
}

/// Who is to blame. A list that is absent is not compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    ranks: Option<Vec<i64>>,
    nodes: Option<Vec<String>>,
    gpus: Option<Vec<String>>,
    pods: Option<Vec<String>>,
    jobs: Option<Vec<String>>,
}

/// A line that must be cited.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cite {
    /// Path within `logs/`.
    file: String,
    /// From 1.
    line: u64,
    /// What the line holds.
    text: String,
}

/// `ORIGIN.toml`: where the lines come from.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Origin {
    /// The output of a run of ours, word for word except for what was neutralised.
    Recorded {
        /// What was run, on what.
        what: String,
        command: String,
        /// Name and version of each program that speaks in the log.
        versions: Vec<String>,
        /// The day of the run, `YYYY-MM-DD`.
        date: String,
        /// What was replaced: host names, paths, addresses. Empty if nothing.
        neutralised: Vec<String>,
    },
    /// Written by us after the format strings of the programs.
    Written { what: String, date: String, shapes: Vec<Shape> },
}

/// Where the shape of a line was taken from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    lines: String,
    /// Program and version.
    program: String,
    /// File of its source, or the page of its documentation.
    source: String,
}

pub(crate) struct Incident {
    pub(crate) folder: PathBuf,
    group: String,
}

impl Incident {
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.group, self.folder.file_name().unwrap().to_string_lossy())
    }

    fn expected(&self) -> Expected {
        let path = self.folder.join("expected.toml");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn origin(&self) -> Origin {
        let path = self.folder.join("ORIGIN.toml");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// The report on the logs in a folder.
pub(crate) fn report(folder: &Path) -> Value {
    let done = Command::new(env!("CARGO_BIN_EXE_diag"))
        .args(["nccl-timeout", "--format", "json", "logs"])
        .current_dir(folder)
        .output()
        .unwrap();
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| {
        panic!("{}: no report: {error}: {}", folder.display(), String::from_utf8_lossy(&done.stderr))
    })
}

pub(crate) fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs")
}

pub(crate) fn folders(base: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(base).unwrap_or_else(|error| panic!("{}: {error}", base.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

pub(crate) fn incidents() -> Vec<Incident> {
    let groups = folders(&samples());
    let inside = |group: PathBuf| {
        let name = group.file_name().unwrap().to_string_lossy().into_owned();
        folders(&group).into_iter().map(move |folder| Incident { folder, group: name.clone() })
    };
    groups.into_iter().flat_map(inside).collect()
}

/// Every line that a report cites, wherever it does.
fn cited(report: &Value) -> Vec<&Value> {
    let list = |value: &'_ Value| value.as_array().map(Vec::len).unwrap_or_default();
    let mut found: Vec<&Value> = (0..list(&report["unexplained"])).map(|at| &report["unexplained"][at]).collect();
    for finding in report["findings"].as_array().unwrap() {
        found.extend(finding["evidence"].as_array().unwrap());
        found.extend(finding["chain"].as_array().unwrap().iter().map(|link| &link["example"]));
    }
    found
}

fn line(file: &Path, number: u64) -> Option<String> {
    let bytes = fs::read(file).ok()?;
    let line = bytes.split(|byte| *byte == b'\n').nth(usize::try_from(number).ok()?.checked_sub(1)?)?;
    Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
}

fn names(list: &Value, key: &str) -> BTreeSet<String> {
    let of = |item: &Value| item[key].as_str().unwrap_or_default().to_owned();
    list.as_array().map(|list| list.iter().map(of).collect()).unwrap_or_default()
}

/// What a report gets wrong, a line each; empty if it is as expected.
fn faults(incident: &Incident, expected: &Expected, report: &Value) -> String {
    let mut wrong = String::new();
    let first = &report["findings"][0];
    let outcome: Outcome = serde_json::from_value(report["outcome"].clone()).unwrap();
    if outcome != expected.outcome {
        writeln!(wrong, "  outcome {outcome:?}, not {:?}", expected.outcome).unwrap();
    }
    if let Some(cause) = &expected.cause
        && first["cause"] != cause.as_str()
    {
        writeln!(wrong, "  cause {}, not {cause}", first["cause"]).unwrap();
    }
    if let Some(least) = expected.confidence {
        let told: Option<Confidence> = serde_json::from_value(first["confidence"].clone()).ok();
        if told.is_none_or(|told| told < least) {
            writeln!(wrong, "  confidence {told:?}, below {least:?}").unwrap();
        }
    }
    if let Some(who) = &expected.culprit {
        wrong += &blame(who, first);
    }
    wrong += &citations(incident, expected, report);
    let told = names(&first["consequences"], "cause");
    for missing in expected.consequences.iter().filter(|cause| !told.contains(*cause)) {
        writeln!(wrong, "  {missing} is not told as a consequence").unwrap();
    }
    let blamed = names(&report["findings"], "cause");
    for cause in expected.not_blamed.iter().filter(|cause| blamed.contains(*cause)) {
        writeln!(wrong, "  blames {cause}").unwrap();
    }
    let told = names(&report["findings"], "cause");
    for missing in expected.also.iter().filter(|cause| !told.contains(*cause)) {
        writeln!(wrong, "  {missing} is not told beside it").unwrap();
    }
    let told = names(&report["context"], "text");
    for missing in expected.context.iter().filter(|part| !told.iter().any(|text| text.contains(part.as_str()))) {
        writeln!(wrong, "  {missing} is not told as context").unwrap();
    }
    if let Some(clock) = &expected.clock {
        wrong += &unsettled(clock, report);
    }
    if let Some(fix) = &expected.fix
        && first["fixes"][0]["id"] != fix.as_str()
    {
        writeln!(wrong, "  first fix {}, not {fix}", first["fixes"][0]["id"]).unwrap();
    }
    if let Some(ask) = &expected.ask
        && !report["ask"].to_string().contains(ask.as_str())
    {
        writeln!(wrong, "  asks for {}, not for {ask}", report["ask"]).unwrap();
    }
    wrong
}

/// What is wrong with how a clock is told.
fn unsettled(clock: &ClockSettled, report: &Value) -> String {
    let is = |told: &&Value| told["source"] == format!("logs/{}", clock.source).as_str();
    let told = report["clocks"].as_array().into_iter().flatten().find(is).unwrap_or(&Value::Null);
    let apart = told["offset_s"].as_f64().map_or(f64::MAX, |offset| (offset - clock.seconds as f64).abs());
    if told["settled"] == clock.settled.as_str() && apart < 60.0 {
        return String::new();
    }
    format!("  the clock of {} is told as {told}\n", clock.source)
}

fn blame(who: &Who, finding: &Value) -> String {
    let told: Culprit = serde_json::from_value(finding["culprit"].clone()).unwrap_or_default();
    let mut wrong = String::new();
    if let Some(ranks) = &who.ranks
        && *ranks != told.ranks
    {
        writeln!(wrong, "  blames ranks {:?}, not {ranks:?}", told.ranks).unwrap();
    }
    let lists = [
        ("nodes", &who.nodes, &told.nodes),
        ("gpus", &who.gpus, &told.gpus),
        ("pods", &who.pods, &told.pods),
        ("jobs", &who.jobs, &told.jobs),
    ];
    for (what, wanted, told) in lists {
        if let Some(wanted) = wanted
            && wanted != told
        {
            writeln!(wrong, "  blames {what} {told:?}, not {wanted:?}").unwrap();
        }
    }
    wrong
}

/// Whether a citation is what stands in a line. Of JSON it is the value that decides; a pickle has no lines, so what is
/// cited of one is its first, with the entry in words.
fn quotes(file: &Path, stands: Option<&str>, text: &str) -> bool {
    let pickled = fs::read(file).is_ok_and(|bytes| matches!(bytes.as_slice(), [0x80, 2..=5, ..]));
    let json = file.extension().is_some_and(|end| end == "json");
    stands.is_some_and(|line| line == text || pickled || (json && !text.is_empty() && line.contains(text)))
}

/// Lines that had to be cited and are not, and citations that are not what stands in the file.
fn citations(incident: &Incident, expected: &Expected, report: &Value) -> String {
    let mut wrong = String::new();
    let all = cited(report);
    for cite in &all {
        let (source, number) = (cite["source"].as_str().unwrap(), cite["line"].as_u64().unwrap());
        let file = incident.folder.join(source);
        let stands = line(&file, number);
        if !quotes(&file, stands.as_deref(), cite["text"].as_str().unwrap_or_default()) {
            writeln!(wrong, "  {source}:{number} is cited as {}, but is {stands:?}", cite["text"]).unwrap();
        }
    }
    let decisive: Vec<&Value> = match expected.outcome {
        Outcome::Diagnosed => report["findings"][0]["evidence"].as_array().into_iter().flatten().collect(),
        Outcome::Undetermined | Outcome::Healthy => all,
    };
    for want in &expected.cites {
        let source = format!("logs/{}", want.file);
        let stands = line(&incident.folder.join(&source), want.line);
        if !stands.as_ref().is_some_and(|line| line.contains(&want.text)) {
            writeln!(wrong, "  expected.toml is wrong: {source}:{} is {stands:?}", want.line).unwrap();
        }
        if !decisive.iter().any(|cite| cite["source"] == source.as_str() && cite["line"] == want.line) {
            let lines: Vec<String> = decisive.iter().map(|cite| cite["line"].to_string()).collect();
            writeln!(wrong, "  does not cite {source}:{} (but {})", want.line, lines.join(", ")).unwrap();
        }
    }
    wrong
}

#[test]
fn samples_are_diagnosed() {
    let mut wrong = String::new();
    for incident in incidents() {
        let faults = faults(&incident, &incident.expected(), &report(&incident.folder));
        if !faults.is_empty() {
            write!(wrong, "{}\n{faults}", incident.name()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn samples_are_many_and_of_many_causes() {
    let all = incidents();
    let count = |group: &str| all.iter().filter(|incident| incident.group == group).count();
    let causes: BTreeSet<&str> = all
        .iter()
        .map(|incident| incident.group.as_str())
        .filter(|name| !["healthy", "undetermined"].contains(name))
        .collect();
    let incidents = all.len() - count("healthy") - count("undetermined");
    assert!(incidents >= LEAST_INCIDENTS, "{incidents} incidents");
    assert!(causes.len() >= LEAST_CAUSES, "{} causes", causes.len());
    assert!(count("healthy") >= LEAST_HEALTHY, "{} healthy runs", count("healthy"));
    assert!(count("undetermined") >= LEAST_UNDETERMINED, "{} undetermined runs", count("undetermined"));
}

#[test]
fn samples_say_what_they_are_and_where_they_come_from() {
    for incident in incidents() {
        let (name, expected) = (incident.name(), incident.expected());
        assert!(!expected.story.is_empty(), "{name}: no story");
        match expected.outcome {
            Outcome::Healthy => assert_eq!(incident.group, "healthy", "{name}"),
            Outcome::Undetermined => assert_eq!(incident.group, "undetermined", "{name}"),
            Outcome::Diagnosed => {
                assert_eq!(expected.cause.as_ref(), Some(&incident.group), "{name}: the folder names the cause");
                assert!(expected.confidence.is_some(), "{name}: how sure?");
                assert!(expected.culprit.is_some(), "{name}: who is to blame? (empty lists: nobody)");
                assert!(!expected.cites.is_empty(), "{name}: what proves it?");
            }
        }
        let (what, date, sources) = match incident.origin() {
            Origin::Recorded { what, command, versions, date, neutralised } => {
                assert!(neutralised.iter().all(|text| !text.is_empty()), "{name}");
                (what + &command, date, versions.len())
            }
            Origin::Written { what, date, shapes } => {
                let whole = |shape: &Shape| [&shape.lines, &shape.program, &shape.source].iter().all(|s| !s.is_empty());
                assert!(shapes.iter().all(whole), "{name}: a shape without a source");
                (what, date, shapes.len())
            }
        };
        assert!(!what.is_empty() && sources > 0, "{name}: ORIGIN.toml tells too little");
        assert!(date.parse::<jiff::civil::Date>().is_ok(), "{name}: {date} is no day");
    }
}

#[test]
fn samples_stay_small_and_neutral() {
    let mut bytes = 0;
    let mut stack = vec![samples()];
    while let Some(folder) = stack.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
                continue;
            }
            let text = fs::read(&path).unwrap();
            bytes += text.len() as u64;
            for home in ["/root/", "/home/", "/work/", "/var/tmp/"] {
                let found = text.windows(home.len()).any(|window| window == home.as_bytes());
                assert!(!found, "{} names a path below {home}", path.display());
            }
        }
    }
    assert!(bytes <= MOST_BYTES, "sample-logs has {bytes} bytes");
}
