//! What Slurm says of the job, in variables that a user can partly choose.

use std::collections::BTreeSet;

/// The job that is about to start, or has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// Its number; `None` outside a job.
    pub id: Option<u64>,
    /// The user's number.
    pub uid: Option<u32>,
    /// Indices of the GPUs that it was given; `None` where Slurm does not tell, so that all are looked at.
    pub gpus: Option<BTreeSet<u32>>,
}

impl Job {
    /// The job as `prolog_and_epilog` of Slurm 23.11 names it. A value of another shape than Slurm writes is as if it
    /// were not there: names and comments are the user's, and are not read at all.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
        Self {
            id: number("SLURM_JOB_ID"),
            uid: number("SLURM_JOB_UID").and_then(|uid| u32::try_from(uid).ok()),
            gpus: variable("SLURM_JOB_GPUS").as_deref().and_then(indices),
        }
    }
}

/// Most GPUs of a node; what lists more is no list of Slurm's.
const MOST: u32 = 64;

/// `0,2-3` as the set of its numbers.
fn indices(list: &str) -> Option<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for part in list.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        found.extend(first..=last);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(pairs: &[(&str, &str)]) -> Job {
        Job::of(&|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn gpus_are_a_list_of_numbers_or_nothing() {
        let gpus = |list| job(&[("SLURM_JOB_GPUS", list)]).gpus;
        assert_eq!(gpus("0,2-3"), Some(BTreeSet::from([0, 2, 3])));
        assert_eq!(gpus(""), Some(BTreeSet::new()));
        for hostile in ["0;reboot", "0-4294967295", "3-1", "$(id)", "-1"] {
            assert_eq!(gpus(hostile), None, "{hostile}");
        }
    }

    #[test]
    fn numbers_of_another_shape_are_not_there() {
        assert_eq!(job(&[("SLURM_JOB_ID", "12; rm -rf /"), ("SLURM_JOB_UID", "-1")]), Job::default());
        assert_eq!(job(&[("SLURM_JOB_ID", "4711"), ("SLURM_JOB_UID", "1001")]).id, Some(4711));
    }
}
