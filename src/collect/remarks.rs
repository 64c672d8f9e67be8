//! Remarks on the reading, few enough to be read.

use std::collections::BTreeMap;

use crate::error::Error;

/// Remarks of one kind that are told one by one.
const MOST_ALIKE: usize = 3;

/// Keeps the first few remarks of each kind; tells how many more there are.
pub fn gather(remarks: Vec<Error>) -> Vec<Error> {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for remark in remarks {
        let count = counts.entry(remark.code).or_default();
        *count += 1;
        if *count <= MOST_ALIKE {
            kept.push(remark);
        }
    }
    for (code, count) in counts.into_iter().filter(|(_, count)| *count > MOST_ALIKE) {
        let Some(last) = kept.iter_mut().rev().find(|remark| remark.code == code) else { continue };
        last.reason.push_str(&format!("; so it is with {} more", count - MOST_ALIKE));
    }
    kept
}
