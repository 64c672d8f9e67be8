//! What a report knows of the words that commands of playbooks leave open: the one job, pod or node that it is about.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::words;
use crate::evidence::Table;
use crate::verdict::Culprit;

/// The words.
static OPEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b(?:JOBID|POD|NODE)\b").ok());

/// Names for those words, as far as there is only one that may be meant and a shell takes it for a word.
#[derive(Debug, Default)]
pub(super) struct Known {
    job: Option<String>,
    pod: Option<String>,
    node: Option<String>,
}

impl Known {
    /// The job that is told of, and the pod and node that are to blame.
    pub(super) fn of(table: &Table, culprit: &Culprit) -> Self {
        let harmless = |name: &String| words::harmless(name);
        let only = |names: &[String]| names.first().filter(|_| names.len() == 1).cloned();
        let job = table.job.window.job.clone().or_else(|| only(&culprit.jobs));
        let (pod, node) = (only(&culprit.pods), only(&culprit.nodes));
        Self { job: job.filter(harmless), pod: pod.filter(harmless), node: node.filter(harmless) }
    }

    /// A command line, or a word of one, with what is known.
    pub(super) fn put_into(&self, command: &str) -> String {
        let name = |found: &Captures<'_>| {
            let known = match &found[0] {
                "JOBID" => &self.job,
                "POD" => &self.pod,
                _ => &self.node,
            };
            known.clone().unwrap_or_else(|| found[0].to_owned())
        };
        OPEN.as_ref().map_or_else(|| command.to_owned(), |open| open.replace_all(command, name).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_filled_in_where_one_thing_alone_is_meant() {
        let known = |jobs: &[&str], nodes: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let culprit = Culprit { jobs: list(jobs), nodes: list(nodes), ..Culprit::default() };
            Known::of(&Table::default(), &culprit)
                .put_into("sacct -j JOBID -o JobID; kubectl describe node NODE; MYNODE")
        };
        assert_eq!(known(&["71204"], &["gpu-17"]), "sacct -j 71204 -o JobID; kubectl describe node gpu-17; MYNODE");
        assert_eq!(known(&["1", "2"], &["a; rm -rf ~"]), "sacct -j JOBID -o JobID; kubectl describe node NODE; MYNODE");
    }
}
