//! One look, in a process of its own: with the rights of whoever owns the logs, the least priority, and limits that the kernel
//! holds. Whatever a log or a file system does to it, it does to nobody else.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};
use serde::{Deserialize, Serialize};

use super::object::Cluster;
use super::place::place;
use crate::cli::reading::{self, Reading};
use crate::cli::{EXIT_HEALTHY, analyze, history, screen};
use crate::collect::cluster::Held;
use crate::diagnose;
use crate::error::Error;
use crate::evidence::Table;
use crate::playbook::{Library, Playbook};
use crate::redact::{Masked, Masker};
use crate::report::{self, Note, Report, Task, guard};
use crate::verdict::Outcome;
use crate::watch::{Cited, Found, Kept};

/// What is to be looked at, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Spec {
    /// What it is, for people.
    pub(super) subject: String,
    /// Whose rights it has: user and group. Nobody's but those that this process has, where none is named.
    pub(super) rights: Option<(u32, u32)>,
    /// Files to read; only those that belong to that user.
    pub(super) files: Vec<String>,
    /// Texts that were fetched, by name.
    pub(super) held: Vec<(String, String)>,
    /// What a cluster is asked for.
    pub(super) cluster: Option<Cluster>,
    /// The file beside which the report is placed.
    pub(super) output: Option<String>,
    /// The job that it is of.
    pub(super) job: Option<u64>,
    /// Forms of the report.
    pub(super) forms: Vec<String>,
    /// Most bytes of memory.
    pub(super) memory: u64,
    /// Most seconds of a processor.
    pub(super) seconds: u64,
    /// Whether the bytes of the files are handed on where a machine is to blame, so that a case can be made of them.
    pub(super) keep: bool,
    /// Playbooks and formats of the site's own.
    pub(super) playbooks: Option<PathBuf>,
    pub(super) formats: Option<PathBuf>,
}

/// Most lines of a log that are told on.
const LINES: usize = 5;

/// Most bytes of files that are handed on; of more the ends. Less than a look may write.
const MOST_KEPT: u64 = 48 << 20;

/// Looks, and says what came of it on standard output.
pub(super) fn run(mut library: Library) -> Result<u8, Error> {
    let mut text = String::new();
    let failed = |why: String| Error::new("watch.examine", "standard input", why);
    io::stdin().read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    let spec: Spec = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    drop(text);
    // The site's own library may be readable by its owner alone.
    crate::cli::add_playbooks(&mut library, spec.playbooks.as_deref())?;
    let scanner = analyze::scanner(spec.formats.as_deref())?;
    confine(&spec).map_err(failed)?;
    let (files, mut notes) = own(&spec);
    // With the limits of a look, as all of it.
    let (mut held, refused) = spec.cluster.as_ref().map(Cluster::fetch).transpose()?.unwrap_or_default();
    held.extend(spec.held.iter().map(|(name, text)| Held { name: name.clone(), bytes: text.clone().into_bytes() }));
    let Reading { table, inputs, notes: more, .. } = reading::quietly(held, refused, &files, &scanner)?;
    notes.extend(more);
    let all = ["*".to_owned()];
    let playbooks = library.playbooks.iter().map(|shelved| &shelved.playbook);
    let playbooks: Vec<&Playbook> = playbooks.filter(|playbook| diagnose::considered(&all, playbook)).collect();
    let task = Task { about: &all, playbooks, catalogue: scanner.catalogue(), inputs, notes };
    let report = report::compose(&table, task);
    let mut found = summary(&report, &table, &library)?;
    if report.outcome != Outcome::Healthy {
        deliver(&spec, &report, &mut found);
    }
    #[cfg(feature = "k8s")]
    if let Some(cluster) = &spec.cluster {
        found.not_placed = cluster.tell(&found).or(found.not_placed);
    }
    let keep = spec.keep && found.outcome == Outcome::Diagnosed && found.of_a_machine();
    say(&mut found, if keep { &spec.files } else { &[] }, &files).map_err(|error| failed(error.to_string()))?;
    Ok(EXIT_HEALTHY)
}

/// Says what was found in a line, and behind it the bytes of the files: of those that were read, in the order of all.
fn say(found: &mut Found, all: &[String], read: &[String]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for name in all {
        let kept = if read.contains(name) {
            end(name, MOST_KEPT - bytes.len() as u64, &mut bytes)
        } else {
            Ok(Kept::default())
        };
        found.kept.push(kept.unwrap_or_default());
    }
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, found)?;
    out.write_all(b"\n")?;
    out.write_all(&bytes)?;
    out.flush()
}

/// The end of a file.
fn end(name: &str, most: u64, into: &mut Vec<u8>) -> io::Result<Kept> {
    let mut file = fs::File::open(name)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(most)))?;
    let bytes = file.take(most).read_to_end(into)? as u64;
    Ok(Kept { bytes, cut: size > most })
}

/// Takes on the rights that are wanted, for good, and limits that the kernel holds.
fn confine(spec: &Spec) -> Result<(), String> {
    let told = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    if let Some((uid, gid)) = spec.rights.filter(|(uid, _)| geteuid().is_root() && *uid != 0) {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let name = User::from_uid(uid).ok().flatten().and_then(|user| std::ffi::CString::new(user.name).ok());
        match name {
            Some(name) => initgroups(&name, gid).map_err(told("groups"))?,
            None => setgroups(&[gid]).map_err(told("groups"))?,
        }
        setgid(gid).map_err(told("group"))?;
        setuid(uid).map_err(told("user"))?;
        if setuid(Uid::from_raw(0)).is_ok() {
            return Err("rights can't be given up".to_owned());
        }
    }
    // A worker that is killed takes its looks with it; a change of rights would have cleared this.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(told("signal"))?;
    prctl::set_no_new_privs().map_err(told("privileges"))?;
    let limits = [
        (Resource::RLIMIT_AS, spec.memory),
        (Resource::RLIMIT_CPU, spec.seconds.max(1)),
        (Resource::RLIMIT_FSIZE, 64 << 20),
        (Resource::RLIMIT_CORE, 0),
    ];
    for (which, most) in limits {
        setrlimit(which, most, most).map_err(told("limits"))?;
    }
    // Where a machine has none of these, it is only less polite.
    let _ = diag_raw::idle::idle();
    let _ = OpenOptions::new().write(true).open("/proc/self/oom_score_adj").and_then(|mut file| file.write_all(b"500"));
    Ok(())
}

/// The files that belong to whom they should: what a user names as their output is not always theirs.
fn own(spec: &Spec) -> (Vec<String>, Vec<Note>) {
    let (mut files, mut notes) = (Vec::new(), Vec::new());
    for file in &spec.files {
        let why = match fs::metadata(file) {
            Ok(about) if !about.is_file() => "is no file".to_owned(),
            Ok(about) if spec.rights.is_some_and(|(uid, _)| about.uid() != uid) => {
                "belongs to somebody else".to_owned()
            }
            Ok(_) => {
                files.push(file.clone());
                continue;
            }
            Err(error) => error.to_string(),
        };
        notes.push(Note {
            source: file.clone(),
            code: "input.unreadable".to_owned(),
            what: format!("not read: {why}"),
        });
    }
    (files, notes)
}

/// As much of a report as is told on.
fn summary(report: &Report, table: &Table, library: &Library) -> Result<Found, Error> {
    let masker = Masker::new(true).map_err(|error| Error::new("redact.invalid", "patterns of secrets", error))?;
    let masked = |text: &str| {
        let mut clean = Vec::new();
        match Masked::new(&masker, &mut text.as_bytes()).read_to_end(&mut clean) {
            Ok(_) => String::from_utf8_lossy(&clean).into_owned(),
            Err(_) => String::new(),
        }
    };
    let first = report.findings.first();
    let evidence = first.map_or(&report.unexplained, |finding| &finding.evidence);
    let lines = evidence.iter().take(LINES);
    let culprit = first.map(|finding| finding.culprit.clone()).unwrap_or_default();
    let area = |cause: &str| {
        library.playbooks.iter().find(|shelved| shelved.playbook.id == cause).map(|shelved| shelved.area.clone())
    };
    Ok(Found {
        outcome: report.outcome,
        headline: masked(&report.headline),
        cause: first.map(|finding| finding.cause.clone()),
        title: first.map(|finding| finding.title.clone()).unwrap_or_default(),
        area: first.and_then(|finding| area(&finding.cause)).unwrap_or_default(),
        confidence: first.map(|finding| finding.confidence),
        boards: history::boards(&culprit, table),
        culprit,
        lines: lines
            .map(|line| Cited { source: line.source.clone(), line: line.line, text: masked(&line.text) })
            .collect(),
        fix: first.and_then(|finding| finding.fixes.first()).map(|fix| masked(&fix.title)).unwrap_or_default(),
        placed: Vec::new(),
        not_placed: None,
        report: None,
        waits: Vec::new(),
        kept: Vec::new(),
    })
}

/// Places the report beside the output, or hands it back where that can't be.
fn deliver(spec: &Spec, report: &Report, found: &mut Found) {
    let head = format!("diag looked at {} by itself.\n\n", guard::plain(&spec.subject));
    let look = report::text::Look { width: screen::width(true), ..report::text::Look::default() };
    let text = || [head.as_bytes(), &report::text::render(report, look)].concat();
    let Some(output) = &spec.output else {
        found.report = Some(String::from_utf8_lossy(&text()).into_owned());
        return;
    };
    for form in &spec.forms {
        let bytes = match form.as_str() {
            "json" => report::json::render(report),
            "html" => report::html::render(report),
            _ => text(),
        };
        match place(output, spec.job, form, &bytes) {
            Ok(path) => found.placed.push(path),
            Err(why) => found.not_placed = Some(why),
        }
    }
    if found.placed.is_empty() {
        found.report = Some(String::from_utf8_lossy(&text()).into_owned());
    }
}
