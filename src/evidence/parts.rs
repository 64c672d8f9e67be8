//! Several jobs, or several attempts of one, in what was read: each is judged by itself, so that none swallows another's
//! cause and a later good end does not hide an earlier death.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::ledger::mark;
use super::{BEGAN, ENDED, Placed, Row, Table, window};

/// A job, or an attempt of one, with what is told of it.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// `job 71204`, `attempt 2 of 3`; empty where there is only one.
    pub name: String,
    /// The id of the job, where there are several.
    pub job: Option<String>,
    /// Its facts.
    pub table: Cow<'a, Table>,
}

/// Slurm's names for the output of a job and of an array task (sbatch(1), `filename pattern`).
static SLURM_OUT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:^|[/!])slurm-(\d+(?:_\d+)?)\.").ok());

/// torchrun's folders of logs, one an attempt (`--log-dir`).
static ATTEMPT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:^|[/!])attempt_(\d{1,4})/").ok());

/// The jobs and attempts of a table, in order; one where there are no several.
pub fn parts(table: &Table) -> Vec<Part<'_>> {
    let jobs = jobs(table);
    match jobs.len() {
        0 => of_job(None, Cow::Borrowed(table)),
        _ => jobs.into_iter().flat_map(|(job, table)| of_job(Some(job), Cow::Owned(table))).collect(),
    }
}

/// The attempts of a job, by name.
fn of_job(job: Option<String>, table: Cow<'_, Table>) -> Vec<Part<'_>> {
    let attempts = attempts(table);
    let count = attempts.len();
    let name = |at: usize| match (&job, count) {
        (None, 1) => String::new(),
        (None, _) => format!("attempt {} of {count}", at + 1),
        (Some(job), 1) => format!("job {job}"),
        (Some(job), _) => format!("job {job}, attempt {} of {count}", at + 1),
    };
    attempts.into_iter().enumerate().map(|(at, table)| Part { name: name(at), job: job.clone(), table }).collect()
}

/// The jobs whose own logs are there, each with its rows and those of the witnesses of all; none where there is one.
fn jobs(table: &Table) -> Vec<(String, Table)> {
    let of_job = window::is_of_job(table);
    let owners = owners(table);
    let own: BTreeSet<&String> =
        (0..of_job.len()).filter(|source| of_job[*source]).filter_map(|source| owners[source].as_ref()).collect();
    let all_told = (0..of_job.len()).all(|source| !of_job[source] || owners[source].is_some());
    if own.len() < 2 || !all_told {
        return Vec::new();
    }
    let of = |job: &String| {
        let told = |row: &Row| row.fields.get("job").map(ToString::to_string);
        let keep = |row: &Row| match of_job[row.source] {
            true => owners[row.source].as_ref() == Some(job),
            false => told(row).is_none_or(|other| other == *job || !own.contains(&other)),
        };
        table.only(None, keep, |source, _| !of_job[source] || owners[source].as_ref() == Some(job))
    };
    own.iter().map(|job| ((*job).clone(), of(job))).collect()
}

/// The job that printed each source: as Slurm's lines in it say, else as Slurm named the file.
pub(super) fn owners(table: &Table) -> Vec<Option<String>> {
    let mut told: Vec<BTreeSet<String>> = vec![BTreeSet::new(); table.sources.len()];
    for row in table.rows.iter().filter(|row| row.kind.starts_with("slurm.")) {
        told[row.source].extend(row.fields.get("job").map(ToString::to_string));
    }
    let by_name = |name: &str| Some(SLURM_OUT.as_ref()?.captures(name)?[1].to_owned());
    let owner = |(jobs, name): (BTreeSet<String>, &String)| match jobs.len() {
        1 => jobs.into_iter().next(),
        _ => by_name(name),
    };
    told.into_iter().zip(&table.sources).map(owner).collect()
}

/// The attempts of a job: what its launcher or scheduler started anew in the same log.
fn attempts(table: Cow<'_, Table>) -> Vec<Cow<'_, Table>> {
    let Some(seats) = Seats::of(&table) else { return vec![table] };
    let told = seats.told(&table);
    if told.is_empty() {
        return vec![table];
    }
    let of = |at: usize| {
        let begins = if at == 0 { None } else { seats.starts[at] };
        let until = seats.starts.get(at + 1).copied().flatten();
        let late = |row: &Row| matches!((row.placed, until), (Some(row), Some(end)) if end.before(row) == Some(true));
        let keep = |row: &Row| match seats.seat(row) {
            Some(seat) => seat == at,
            None => !late(row),
        };
        table.only(begins, keep, |source, line| seats.line(source, line).is_none_or(|seat| seat == at))
    };
    told.into_iter().map(|at| Cow::Owned(of(at))).collect()
}

/// Which attempt each row is of.
struct Seats {
    of_job: Vec<bool>,
    /// When each attempt began, where a line tells.
    starts: Vec<Option<Placed>>,
    /// Lines of a source behind which another attempt begins.
    marks: BTreeMap<usize, Vec<u64>>,
    /// The attempt that a source as a whole is of.
    whole: BTreeMap<usize, usize>,
}

impl Seats {
    /// None where there is one attempt, or where it is not clear which row is of which.
    fn of(table: &Table) -> Option<Self> {
        let of_job = window::is_of_job(table);
        let mut seats = Self { of_job, starts: Vec::new(), marks: BTreeMap::new(), whole: BTreeMap::new() };
        for (source, name) in table.sources.iter().enumerate() {
            if let Some(found) = ATTEMPT.as_ref().and_then(|layout| layout.captures(name)) {
                seats.whole.insert(source, found[1].parse().ok()?);
            }
        }
        for row in table.rows.iter().filter(|row| row.parents.is_empty()) {
            // The agents of a job all print that it is started anew; the first of them counts.
            if mark(row.kind, &row.fields, row.at).is_some_and(|mark| row.attempt != Some(mark)) {
                seats.marks.entry(row.source).or_default().push(row.line + 1);
            }
        }
        let most = seats.marks.values().map(Vec::len).chain(seats.whole.values().copied()).max()?;
        let shared = table.rows.iter().filter(|row| !seats.of_job[row.source]).count();
        if most == 0 || most > MOST_ATTEMPTS || most.saturating_mul(shared) > MOST_SHARED {
            return None;
        }
        seats.starts = vec![None; most + 1];
        for (source, lines) in &seats.marks {
            for (at, line) in lines.iter().enumerate() {
                let first = table.rows.iter().filter(|row| row.source == *source && row.line >= *line);
                let told = first.filter_map(|row| Some((row.line, row.placed?))).min_by_key(|(line, _)| *line);
                let earlier = |known: Placed, told: Placed| if told.micros < known.micros { told } else { known };
                if let Some((_, told)) = told {
                    let slot = &mut seats.starts[at + 1];
                    *slot = Some(slot.map_or(told, |known| earlier(known, told)));
                }
            }
        }
        seats.clear(table).then_some(seats)
    }

    /// The attempts of which the job itself says something. A table is made of each, and those of all hold what other
    /// witnesses tell, so one that nobody tells of is left out before.
    fn told(&self, table: &Table) -> BTreeSet<usize> {
        let own = table.rows.iter().filter(|row| row.parents.is_empty() && ![BEGAN, ENDED].contains(&row.kind));
        own.filter_map(|row| self.seat(row)).filter(|at| *at < self.starts.len()).collect()
    }

    /// Whether each row of the job has its place.
    fn clear(&self, table: &Table) -> bool {
        let own = |source: usize| self.marks.contains_key(&source) || self.whole.contains_key(&source);
        let timed = self.starts.iter().skip(1).all(Option::is_some);
        let rows =
            table.rows.iter().filter(|row| row.parents.is_empty() && self.of_job[row.source] && !own(row.source));
        let placed = rows.into_iter().all(|row| timed && row.placed.is_some());
        placed && table.trail.iter().all(|advance| !self.of_job[advance.source] || own(advance.source))
    }

    /// The attempt of a row; none for other witnesses.
    fn seat(&self, row: &Row) -> Option<usize> {
        if !self.of_job[row.source] {
            return None;
        }
        self.line(row.source, row.line).or_else(|| {
            let at = row.placed?;
            Some(self.starts.iter().skip(1).flatten().filter(|start| start.before(at) == Some(true)).count())
        })
    }

    fn line(&self, source: usize, line: u64) -> Option<usize> {
        let by_mark = self.marks.get(&source).map(|marks| marks.partition_point(|mark| *mark <= line));
        self.whole.get(&source).copied().or(by_mark)
    }
}

/// Most attempts that are told apart.
const MOST_ATTEMPTS: usize = 64;

/// Most rows of other witnesses that the attempts hold in all, each its own.
const MOST_SHARED: usize = 200_000;

#[cfg(test)]
mod tests {
    use diag_parsers::{Block, Catalogue, Depth, Scanner};

    use super::*;
    use crate::evidence::Ledger;

    fn names(logs: &[(&str, &str)]) -> Vec<String> {
        parts(&table(logs)).into_iter().map(|part| part.name).collect()
    }

    fn table(logs: &[(&str, &str)]) -> Table {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let read = |(name, log): &(&str, &str)| {
            let mut ledger = Ledger::new(scanner.catalogue().volatile());
            let block = Block::whole(log.as_bytes());
            scanner.scan(block, log.len(), Depth::Every, &mut |event| ledger.absorb(event));
            ((*name).to_owned(), ledger)
        };
        Table::new(logs.iter().map(read).collect())
    }

    #[test]
    fn attempts_copy_no_more_than_they_tell() {
        let mut log =
            "May  4 03:12:40 gpu-17 kernel: NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n".to_owned();
        for job in 100..150 {
            log.push_str(&format!(
                "slurmstepd: error: *** JOB {job} ON gpu-17 CANCELLED AT 2026-05-04T03:12:41 DUE TO JOB REQUEUE ***\n"
            ));
        }
        let host = table(&[("messages", &log)]);
        let told = parts(&host);
        assert!(matches!(told.as_slice(), [Part { table: Cow::Borrowed(_), .. }]), "no job speaks here");
        let job = table(&[("job.log", &format!("[rank1]: ValueError: bad shard\n{}", RESTART.repeat(40)))]);
        let rows: usize = parts(&job).iter().map(|part| part.table.rows.len()).sum();
        assert!(rows <= job.rows.len(), "{rows} of {}", job.rows.len());
    }

    const RESTART: &str = "[INFO] 2026-05-04 03:12:44,118 api: [default] Worker group FAILED. 1/1 attempts left; will restart worker group\n";

    #[test]
    fn attempts_are_told_apart_where_a_launcher_says_that_it_starts_anew() {
        let log = |middle: &str| format!("[rank1]: ValueError: bad shard\n{middle}[rank2]: KeyError: 'x'\n");
        assert_eq!(names(&[("job.log", &log(""))]), [""]);
        assert_eq!(names(&[("job.log", &log(RESTART))]), ["attempt 1 of 2", "attempt 2 of 2"]);
        assert_eq!(
            names(&[("job.log", &log(&RESTART.repeat(3)))]),
            ["attempt 1 of 2", "attempt 2 of 2"],
            "three agents"
        );
        assert_eq!(names(&[("job.log", RESTART)]), [""], "nothing came after it");
    }

    #[test]
    fn a_requeue_that_nothing_surrounds_is_one_part() {
        let log =
            "slurmstepd: error: *** JOB 71204 ON gpu-17 CANCELLED AT 2026-05-04T03:12:41 DUE TO JOB REQUEUE ***\n";
        assert_eq!(names(&[("slurm.log", log)]), [""]);
    }

    #[test]
    fn jobs_are_told_apart_by_the_names_of_their_files() {
        let log = "[rank1]: ValueError: bad shard\n";
        assert_eq!(names(&[("a/slurm-71204.out", log), ("a/slurm-71205.out", log)]), ["job 71204", "job 71205"]);
        assert_eq!(names(&[("a/rank_1.log", log), ("a/rank_2.log", log)]), [""]);
    }
}
