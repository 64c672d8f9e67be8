//! A job of Slurm that has ended: what its controller tells of it, and whether it is worth a look.
//!
//! Names, folders and comments are the user's own words: nothing but the places of the job's files is taken from them, and
//! those are opened with the user's own rights only. Who the user is, and how the job ended, is taken from outputs that
//! hold none of these words.

use serde::{Deserialize, Serialize};

/// What is known of a job. Slurm's variables as `EpilogSlurmctld` gets them (Slurm 22.05 to 25.05, `prolog_epilog`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    /// Its number; that of a task of an array is its own.
    pub id: u64,
    /// The user's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The number of their group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// What the user called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it ended, in Slurm's words: `FAILED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Exit code and signal of the batch script, `1:0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<(u32, u32)>,
    /// Its nodes, as a hostlist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Its standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// Its standard error, where that is another file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// The folder that it ran in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// Whether a job is worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worth {
    /// It failed.
    Look,
    /// It has not come to its end yet.
    Wait,
    /// Why not.
    Leave(String),
}

/// States of a job that are no ends (slurm.h, `job_states` and its flags).
const GOING: [&str; 10] = [
    "COMPLETING",
    "RUNNING",
    "PENDING",
    "SUSPENDED",
    "CONFIGURING",
    "SIGNALING",
    "STAGE_OUT",
    "STOPPED",
    "RESIZING",
    "REQUEUED",
];

impl Job {
    /// A job as its variables name it. A value of another shape than Slurm writes is as if it were not there.
    #[must_use]
    pub fn of_environment(variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
        let small = |name: &str| number(name).and_then(|number| u32::try_from(number).ok());
        let text = |name: &str| variable(name).filter(|text| !text.is_empty());
        let job = Self {
            id: number("SLURM_JOB_ID").or_else(|| number("SLURM_JOBID"))?,
            uid: small("SLURM_JOB_UID"),
            gid: small("SLURM_JOB_GID"),
            name: text("SLURM_JOB_NAME"),
            state: None,
            exit: variable("SLURM_JOB_EXIT_CODE2").as_deref().and_then(exit),
            nodes: text("SLURM_JOB_NODELIST"),
            stdout: text("SLURM_JOB_STDOUT"),
            stderr: text("SLURM_JOB_STDERR"),
            folder: text("SLURM_JOB_WORK_DIR"),
        };
        let array = number("SLURM_ARRAY_JOB_ID").zip(number("SLURM_ARRAY_TASK_ID"));
        Some(job.filled_in(array))
    }

    /// The places of its files without the patterns that a version of Slurm may leave in them (sbatch(1), "filename
    /// pattern": `%j`, `%A`, `%a`, `%x`, `%%`), from the job's folder.
    fn filled_in(mut self, array: Option<(u64, u64)>) -> Self {
        let (id, name, folder) = (self.id, self.name.clone().unwrap_or_default(), self.folder.clone());
        let fill = |path: String| {
            let path = filled(&path, id, array, &name);
            match &folder {
                Some(folder) if !path.starts_with('/') => format!("{folder}/{path}"),
                _ => path,
            }
        };
        self.stdout = self.stdout.map(&fill);
        self.stderr = self.stderr.map(&fill);
        self
    }

    /// Takes in a row of [`SQUEUE`] or [`SACCT`].
    pub fn take(&mut self, row: &Row) {
        self.uid = Some(row.uid);
        self.gid = row.gid.or(self.gid);
        self.state = Some(row.state.clone());
    }

    /// Takes the places of its files out of `scontrol show job ID`, which knows them better than the variables.
    pub fn take_places(&mut self, scontrol: &str) {
        let value = |name: &str| {
            let of = |line: &str| line.trim_start().strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
            // The last one is the controller's: what a user wrote into a name stands above it.
            scontrol.lines().filter_map(of).next_back().filter(|value| value.starts_with('/'))
        };
        self.folder = value("WorkDir").or_else(|| self.folder.take());
        self.stdout = value("StdOut").or_else(|| self.stdout.take());
        self.stderr = value("StdErr").or_else(|| self.stderr.take());
    }

    /// What of its files is read: none twice, and nothing that holds nothing.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = Vec::new();
        for file in [&self.stdout, &self.stderr].into_iter().flatten() {
            if file.starts_with('/') && !file.starts_with("/dev/") && !files.contains(file) {
                files.push(file.clone());
            }
        }
        files
    }

    /// Whether it is worth a look: `states` are the ends that are. Where the controller no longer knows it, its exit code
    /// decides.
    #[must_use]
    pub fn worth(&self, states: &[String]) -> Worth {
        let state = match (&self.state, self.exit) {
            (Some(state), _) => base(state).to_owned(),
            (None, Some((0, 0))) => {
                return Worth::Leave("its exit code is 0, and the controller knows nothing more".to_owned());
            }
            (None, Some(_)) => "FAILED".to_owned(),
            (None, None) => return Worth::Leave("nobody tells how it ended".to_owned()),
        };
        match state.as_str() {
            going if GOING.contains(&going) => Worth::Wait,
            state if states.iter().any(|known| known == state) => Worth::Look,
            state => Worth::Leave(format!("it is {state}")),
        }
    }

    /// What is to be said of one that is still going after all patience: whether it runs again.
    #[must_use]
    pub fn requeued(&self) -> bool {
        self.state
            .as_deref()
            .is_some_and(|state| matches!(base(state), "PENDING" | "RUNNING" | "REQUEUED" | "CONFIGURING"))
    }
}

/// How `squeue` is asked for many jobs at once: no column holds a user's own words.
pub const SQUEUE: [&str; 3] = ["--noheader", "--states=all", "--format=%A|%U|%G|%T"];

/// How `sacct` is asked where the controller has forgotten a job.
pub const SACCT: [&str; 5] =
    ["--allocations", "--noheader", "--parsable2", "--duplicates", "--format=JobIDRaw,UID,GID,State"];

/// What a row of either tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The job.
    pub id: u64,
    /// Its user.
    pub uid: u32,
    /// Their group.
    pub gid: Option<u32>,
    /// How it stands.
    pub state: String,
}

/// The rows of an answer; of several of one job the last one counts.
#[must_use]
pub fn rows(text: &str) -> Vec<Row> {
    text.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut columns = line.trim().split('|');
    let mut next = || columns.next();
    let (id, uid, gid, state) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok(), next()?);
    (!state.is_empty()).then(|| Row { id, uid, gid, state: state.to_owned() })
}

/// A state without what `sacct` puts behind it: `CANCELLED by 1000`, `NODE_FAIL+`.
fn base(state: &str) -> &str {
    state.split([' ', '+', ',']).next().unwrap_or(state)
}

/// `EXIT:SIGNAL`.
fn exit(text: &str) -> Option<(u32, u32)> {
    let (code, signal) = text.split_once(':')?;
    Some((code.parse().ok()?, signal.parse().ok()?))
}

/// A path with its patterns filled in.
fn filled(path: &str, id: u64, array: Option<(u64, u64)>, name: &str) -> String {
    let mut text = String::new();
    let mut rest = path.chars();
    while let Some(char) = rest.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        match rest.next() {
            Some('j') => text += &id.to_string(),
            Some('A') => text += &array.map_or(id, |(job, _)| job).to_string(),
            Some('a') => text += &array.map_or(u64::from(u32::MAX - 1), |(_, task)| task).to_string(),
            Some('x') => text += name,
            Some('%') => text.push('%'),
            // What is different on each node or task is no one file.
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(pairs: &[(&str, &str)]) -> Option<Job> {
        Job::of_environment(&|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn states() -> Vec<String> {
        ["FAILED", "TIMEOUT"].map(str::to_owned).to_vec()
    }

    #[test]
    fn patterns_of_its_files_are_filled_in() {
        let of = |pattern: &str| {
            let pairs = [
                ("SLURM_JOB_ID", "4243"),
                ("SLURM_JOB_WORK_DIR", "/home/a"),
                ("SLURM_JOB_STDOUT", pattern),
                ("SLURM_JOB_NAME", "x/y"),
            ];
            let array = [("SLURM_ARRAY_JOB_ID", "4242"), ("SLURM_ARRAY_TASK_ID", "1")];
            job(&[pairs.as_slice(), &array].concat()).unwrap().stdout.unwrap()
        };
        assert_eq!(of("/home/a/slurm-%j.out"), "/home/a/slurm-4243.out");
        assert_eq!(of("slurm-%A_%a.out"), "/home/a/slurm-4242_1.out");
        assert_eq!(of("/x/100%%-%N%"), "/x/100%-%N%");
    }

    #[test]
    fn what_is_no_number_is_not_there() {
        assert_eq!(job(&[("SLURM_JOB_ID", "4; rm -rf /")]), None);
        let one = job(&[("SLURM_JOB_ID", "4"), ("SLURM_JOB_UID", "-1"), ("SLURM_JOB_EXIT_CODE2", "x:0")]).unwrap();
        assert_eq!((one.uid, one.exit), (None, None));
    }

    #[test]
    fn a_job_is_looked_at_where_it_failed_and_nobody_wanted_it_to_end() {
        let of = |state: Option<&str>, exit| {
            Job { state: state.map(str::to_owned), exit, ..Job::default() }.worth(&states())
        };
        assert_eq!(of(Some("FAILED"), None), Worth::Look);
        assert_eq!(of(Some("TIMEOUT"), Some((0, 0))), Worth::Look);
        assert_eq!(of(Some("COMPLETING"), Some((1, 0))), Worth::Wait);
        assert!(matches!(of(Some("CANCELLED by 1000"), Some((0, 15))), Worth::Leave(_)));
        assert!(matches!(of(Some("COMPLETED"), Some((0, 0))), Worth::Leave(_)));
        assert_eq!(of(None, Some((1, 0))), Worth::Look, "the controller has forgotten it");
        assert!(matches!(of(None, Some((0, 0))), Worth::Leave(_)));
    }

    #[test]
    fn nothing_but_places_is_taken_from_what_a_user_can_write() {
        let told = "JobId=7 JobName=x\n   UserId=root(0) GroupId=root(0)\n   StdOut=/etc/shadow\n   \
                    UserId=ana(1001) GroupId=ana(1001) JobState=FAILED\n   WorkDir=/home/ana\n   StdErr=/home/ana/e\n   StdOut=/home/ana/o\n";
        let mut job = Job { id: 7, uid: Some(1001), ..Job::default() };
        job.take_places(told);
        assert_eq!(job.uid, Some(1001));
        assert_eq!(job.files(), ["/home/ana/o", "/home/ana/e"]);
        assert_eq!(
            rows("7|1001|1001|FAILED\nx|0|0|FAILED\n8|0\n"),
            [Row { id: 7, uid: 1001, gid: Some(1001), state: "FAILED".into() }]
        );
    }
}
