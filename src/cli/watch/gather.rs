//! What a look is given: from what Slurm says of a job to files, texts and whose rights.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use diag_parsers::hostlist;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use super::ask::ask;
use super::examine::Spec;
use super::object::Cluster;
use crate::config::Config;
use crate::plan::NodeName;
use crate::watch::ended::{Job, Row, SACCT, SQUEUE, rows};
use crate::watch::{Entry, Subject};

/// Jobs that are asked for in one question.
const AT_ONCE: usize = 200;

/// Nodes of a job whose logs are read.
const NODES: usize = 64;

/// Bytes of the end of a log of this machine.
const TAIL: u64 = 4 << 20;

/// Bytes of all of them.
const ALL: usize = 48 << 20;

/// What the controller says of jobs, and, of those that it has forgotten, the accounting; nothing of those that neither knows.
pub(super) fn states(jobs: &[u64]) -> BTreeMap<u64, Row> {
    let mut known = BTreeMap::new();
    for some in jobs.chunks(AT_ONCE) {
        let list = some.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let of = |program: &str, fixed: &[&str]| {
            let jobs = format!("--jobs={list}");
            ask(program, &[fixed, &[jobs.as_str()]].concat()).map(|text| rows(&text)).unwrap_or_default()
        };
        known.extend(of("squeue", &SQUEUE).into_iter().map(|row| (row.id, row)));
        if some.iter().any(|id| !known.contains_key(id)) {
            for row in of("sacct", &SACCT) {
                known.entry(row.id).or_insert(row);
            }
        }
    }
    known
}

/// What a look at an entry is given; `None`: nothing is known that could be looked at.
pub(super) fn spec(entry: &mut Entry, config: &Config) -> Spec {
    let limits = &config.watch;
    let mut spec = Spec {
        subject: entry.subject.named(),
        forms: limits.reports.clone(),
        keep: limits.cases > 0,
        memory: limits.memory << 20,
        seconds: limits.deadline,
        playbooks: config.library.playbooks.clone(),
        formats: config.library.formats.clone(),
        ..Spec::default()
    };
    match &mut entry.subject {
        Subject::Job(job) => of_job(job, config, &mut spec),
        Subject::Nodes { nodes, .. } => {
            spec.held.extend(
                ask("scontrol", &["show", "node", "--oneliner", nodes])
                    .ok()
                    .map(|text| ("scontrol-show-node".to_owned(), text)),
            );
            spec.held.extend(logs(config, Some(nodes)));
        }
        Subject::Log { path } => of_log(path, &mut spec),
        Subject::Object(object) => {
            spec.cluster = Some(Cluster { object: object.clone(), event: limits.k8s_events });
        }
    }
    spec
}

fn of_job(job: &mut Job, config: &Config, spec: &mut Spec) {
    let told = ask("scontrol", &["show", "job", &job.id.to_string()]).ok();
    if let Some(text) = &told {
        job.take_places(text);
    }
    spec.held.extend(told.map(|text| (format!("scontrol-show-job-{}", job.id), text)));
    spec.held.extend(logs(config, job.nodes.as_deref()));
    spec.job = Some(job.id);
    // A user's files are read and written with that user's rights, or not at all.
    let me = geteuid().as_raw();
    match job.uid {
        Some(uid) if me == 0 || uid == me => {
            spec.rights = Some((uid, job.gid.unwrap_or(uid)));
            spec.files = job.files();
            spec.output = spec.files.first().cloned();
        }
        _ => {}
    }
}

/// A log that a watcher found is its owner's.
fn of_log(path: &str, spec: &mut Spec) {
    let Ok(about) = std::fs::metadata(path) else { return };
    let me = geteuid().as_raw();
    if me == 0 || about.uid() == me {
        spec.rights = Some((about.uid(), about.gid()));
        spec.files = vec![path.to_owned()];
        spec.output = Some(path.to_owned());
    }
}

/// The ends of the logs that the administrator names, each by its own name.
fn logs(config: &Config, nodes: Option<&str>) -> Vec<(String, String)> {
    let nodes = nodes.and_then(|nodes| hostlist::expand(nodes, NODES).ok()).unwrap_or_default();
    let nodes: Vec<NodeName> = nodes.iter().filter_map(|node| node.parse().ok()).collect();
    let mut all = Vec::new();
    let mut left = ALL;
    for path in &config.watch.logs {
        let path = path.to_string_lossy();
        let named: Vec<String> = if path.contains("{node}") {
            nodes.iter().map(|node| path.replace("{node}", node.as_str())).collect()
        } else {
            vec![path.into_owned()]
        };
        for one in named {
            let Some((name, text)) = tail(Path::new(&one)).filter(|(_, text)| text.len() <= left) else { continue };
            left -= text.len();
            all.push((name, text));
        }
    }
    all
}

/// The end of a log, from a whole line on; its name says where it was cut.
fn tail(path: &Path) -> Option<(String, String)> {
    let mut open = File::options();
    let mut file = open.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok()?;
    let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let from = about.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    let mut name = path.display().to_string();
    if from > 0 {
        let first = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.drain(..first);
        name = format!("{name} (the last {} MiB)", TAIL >> 20);
    }
    Some((name, String::from_utf8_lossy(&bytes).into_owned()))
}
