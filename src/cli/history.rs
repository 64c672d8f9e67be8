//! `diag history`: nodes and boards that were in trouble, and how often.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{EXIT_HEALTHY, delivery, fix};
use crate::config::Config;
use crate::error::Error;
use crate::evidence::{Table, gpu};
use crate::history::{DAYS, FILE, History, Mark, Offender, What};
use crate::reading::{Reading, Verdict};
use crate::report::{Report, guard};
use crate::spool::Lines;
use crate::verdict::Culprit;
use crate::watch::Board;

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  diag history                     who was in trouble within 30 days, the worst first
  diag history gpu-17              all that happened to a node
  diag history GPU-4c1a… --days 365  and to a board, whichever node it was in
  diag history --format json

It is fed by diag watch, diag fix and the records of the hooks ([watch] records in diag.toml), and it is context: no verdict rests
on it.";

/// Most hardware that is told on.
const BOARDS: usize = 32;

/// Most lines that are told.
const MOST: usize = 200;

/// Which part of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A node, or the UUID or serial number of a board; all where none is named.
    #[arg(value_name = "NODE|UUID")]
    name: Option<String>,
    /// Days that count.
    #[arg(long, default_value_t = DAYS, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=3660))]
    days: i64,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Where diag keeps its state.
    #[arg(long, value_name = "DIR", env = "DIAG_STATE")]
    state: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Tells it.
pub(super) fn run(args: &Args, config: &Config) -> Result<u8, Error> {
    let history = History::new(all(&store(args.state.as_deref()), config));
    let now = jiff::Timestamp::now().as_second();
    let text = match (&args.name, args.format) {
        (Some(name), format) => of(&history, name, now - args.days * 86_400, format),
        (None, Format::Json) => json(
            &serde_json::json!({ "schema": "diag.history/1", "days": args.days, "offenders": history.offenders(now, args.days) }),
        ),
        (None, Format::Text) => list(&history.offenders(now, args.days), args.days),
    };
    delivery::deliver(text.as_bytes(), None)?;
    Ok(EXIT_HEALTHY)
}

/// Where it is kept.
pub(super) fn store(state: Option<&Path>) -> Lines {
    Lines::new(&fix::state(state).join(FILE))
}

/// All marks: those that were kept, and what records of hooks tell.
pub(super) fn all(store: &Lines, config: &Config) -> Vec<Mark> {
    let mut marks: Vec<Mark> = store.read();
    for pattern in &config.watch.records {
        let files = glob::glob(&pattern.to_string_lossy()).into_iter().flatten().flatten();
        for file in files {
            marks.extend(Lines::new(&file).read::<Run>().into_iter().filter_map(Run::mark));
        }
    }
    marks
}

/// Where somebody has to go who goes to these nodes.
pub(super) fn bmc(nodes: &[String], config: &Config) -> Vec<String> {
    let site = config.site();
    nodes.iter().filter_map(|node| Some(format!("BMC of {node}: {}", site.bmc(node)?))).collect()
}

/// The hardware that is blamed, by all numbers that the evidence tells of it.
pub(super) fn boards(culprit: &Culprit, table: &Table) -> Vec<Board> {
    let node = |name: Option<&str>| culprit.nodes.iter().find(|node| Some(node.as_str()) == name).cloned();
    let only = || (culprit.nodes.len() == 1).then(|| culprit.nodes[0].clone());
    let of_gpu = |blamed: &String| {
        let own = |text: &str| gpu::common(text) == gpu::common(blamed);
        let mut board = Board { gpu: Some(blamed.clone()), ..Board::default() };
        for row in table.rows.iter().filter(|row| row.fields.text("gpu").is_some_and(own)) {
            let here = node(row.node());
            if !culprit.nodes.is_empty() && here.is_none() && row.node().is_some() {
                continue;
            }
            let told = |names: &[&str]| names.iter().find_map(|name| row.fields.text(name).map(str::to_owned));
            board.node = board.node.or(here);
            board.uuid = board.uuid.or_else(|| told(&["uuid", "gpu_uuid"]));
            board.serial = board.serial.or_else(|| told(&["serial", "board_serial"]));
        }
        board.node = board.node.or_else(only);
        board
    };
    let gpus = culprit.gpus.iter().map(of_gpu);
    let alone = culprit.nodes.iter().filter(|_| culprit.gpus.is_empty());
    let nodes = alone.map(|node| Board { node: Some(node.clone()), ..Board::default() });
    gpus.chain(nodes).take(BOARDS).collect()
}

/// The history that is kept here, where any is: nothing is made for it.
fn kept(config: &Config) -> Option<Lines> {
    let told = std::env::var_os("DIAG_STATE").map(PathBuf::from).or_else(|| config.policy.state.clone());
    let folders = told.map_or_else(|| vec![PathBuf::from(fix::SHARED), fix::home()], |told| vec![told]);
    folders.into_iter().map(|folder| folder.join(FILE)).find(|file| file.is_file()).map(|file| Lines::new(&file))
}

/// What those went through before whom a report blames; nothing where no history is kept.
pub(super) fn before(report: &Report, table: &Table, config: &Config) -> Vec<String> {
    let Some(first) = report.findings.first() else { return Vec::new() };
    let boards = boards(&first.culprit, table);
    let Some(store) = kept(config).filter(|_| !boards.is_empty()) else { return Vec::new() };
    let printed = first.evidence.iter().filter_map(|line| line.time.as_ref()?.parse::<jiff::Timestamp>().ok());
    let at = printed.min().unwrap_or_else(jiff::Timestamp::now).as_second();
    History::new(all(&store, config)).before(&boards, at)
}

fn list(offenders: &[Offender], days: i64) -> String {
    if offenders.is_empty() {
        return format!("nobody was in trouble within {days} days\n");
    }
    let more = offenders.len().saturating_sub(MOST);
    let mut text: String =
        offenders.iter().take(MOST).map(|one| format!("{}  {}\n", day(one.last), guard::plain(&one.told()))).collect();
    if more > 0 {
        text += &format!("and {more} more: --format json has them all\n");
    }
    text
}

fn of(history: &History, name: &str, since: i64, format: Format) -> String {
    let marks: Vec<&Mark> = history.of(name).into_iter().filter(|mark| mark.at >= since).collect();
    if format == Format::Json {
        return json(&serde_json::json!({ "schema": "diag.history/1", "name": name, "marks": marks }));
    }
    if marks.is_empty() {
        return format!("nothing is known of {}\n", guard::plain(name));
    }
    let line = |mark: &&Mark| {
        let board = [&mark.board.node, &mark.board.uuid, &mark.board.serial, &mark.board.gpu, &mark.board.port];
        let board = board.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let what = match mark.what {
            What::Fault => "fault",
            What::Refused => "refused",
            What::Drained => "drained",
            What::Mended => "mended",
            What::NotMended => "not mended",
            What::Returned => "returned",
        };
        let at = jiff::Timestamp::from_second(mark.at).unwrap_or_default();
        format!("{at}  {what:<10}  {}\n", guard::plain(&format!("{board}: {} ({})", mark.why, mark.by)))
    };
    let skipped = marks.len().saturating_sub(MOST);
    marks[skipped..].iter().map(line).collect()
}

fn day(at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap_or_default().strftime("%Y-%m-%d").to_string()
}

fn json(value: &serde_json::Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    guard::escaped(&text) + "\n"
}

/// A run of a hook, as `hook/record.rs` writes it (`diag.hook/1`).
#[derive(Debug, Deserialize)]
struct Run {
    schema: String,
    time: String,
    node: String,
    hook: String,
    decision: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    readings: Vec<Reading>,
}

impl Run {
    /// What it means for the node: that a job was kept from it, that it was drained or given back.
    fn mark(self) -> Option<Mark> {
        if self.schema != "diag.hook/1" {
            return None;
        }
        let what = match (self.hook.as_str(), self.decision.as_str()) {
            ("health-check", "refuse") if !self.reason.ends_with("drained already") => What::Drained,
            ("prolog" | "epilog", "refuse") => What::Refused,
            ("health-check", "pass" | "pass-loudly") if self.reason.starts_with("resumed") => What::Returned,
            _ => return None,
        };
        let at = self.time.parse::<jiff::Timestamp>().ok()?.as_second();
        let bad = self.readings.iter().filter(|reading| reading.verdict == Verdict::Bad);
        let of: BTreeMap<&str, &String> =
            bad.flat_map(|reading| &reading.of).map(|(name, value)| (name.as_str(), value)).collect();
        let one = |name: &str| of.get(name).map(|value| (*value).clone());
        let board = Board {
            node: Some(self.node),
            gpu: one("gpu"),
            uuid: one("uuid"),
            serial: one("serial"),
            port: one("port"),
        };
        Some(Mark { at, what, board, why: self.reason, by: format!("hook {}", self.hook) })
    }
}
