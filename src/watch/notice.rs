//! What is told, and how often: the same cause and culprit within a window is one notice with a count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::found::Found;
use super::limits::Limits;

/// Most notices that are open at a time; beyond it the one that was quiet longest is forgotten.
const MOST: usize = 4096;

/// Most subjects that a notice names.
const NAMED: usize = 20;

/// The same cause and culprit, seen so often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// By what it is known.
    pub key: String,
    /// When it was seen first in this series, in seconds since 1970.
    pub first: i64,
    /// When last.
    pub last: i64,
    /// How often in this series.
    pub count: u64,
    /// Of those, how many were told.
    pub told: u64,
    /// When that was.
    pub told_at: Option<i64>,
    /// What it was seen of, the first ones.
    pub subjects: Vec<String>,
    /// What was found, the first time.
    pub found: Found,
}

/// Notices that are open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    open: BTreeMap<String, Notice>,
}

impl Book {
    /// Takes in what was found.
    pub fn take(&mut self, key: &str, subject: &str, found: &Found, at: i64, limits: &Limits) {
        let window = i64::try_from(limits.window).unwrap_or(i64::MAX);
        let over = |notice: &Notice| at.saturating_sub(notice.last) > window && notice.told == notice.count;
        if self.open.get(key).is_none_or(over) {
            self.make_room(key);
            let fresh = Notice {
                key: key.to_owned(),
                first: at,
                last: at,
                count: 0,
                told: 0,
                told_at: None,
                subjects: Vec::new(),
                found: Found { report: None, kept: Vec::new(), ..found.clone() },
            };
            self.open.insert(key.to_owned(), fresh);
        }
        let Some(notice) = self.open.get_mut(key) else { return };
        notice.count += 1;
        notice.found.waits.clone_from(&found.waits);
        notice.last = notice.last.max(at);
        if notice.subjects.len() < NAMED {
            notice.subjects.push(subject.to_owned());
        }
    }

    fn make_room(&mut self, key: &str) {
        if self.open.len() >= MOST && !self.open.contains_key(key) {
            let oldest = self.open.values().min_by_key(|notice| notice.last).map(|notice| notice.key.clone());
            oldest.and_then(|key| self.open.remove(&key));
        }
    }

    /// Those that are to be told now. The first time it is held back for a little while, so that a wave is one notice; then
    /// once a window where more came.
    #[must_use]
    pub fn due(&self, now: i64, limits: &Limits) -> Vec<Notice> {
        self.open.values().filter(|notice| when(notice, limits).is_some_and(|at| now >= at)).cloned().collect()
    }

    /// When the next one is to be told.
    #[must_use]
    pub fn next(&self, limits: &Limits) -> Option<i64> {
        self.open.values().filter_map(|notice| when(notice, limits)).min()
    }

    /// That one was told, as it stood then.
    pub fn told(&mut self, key: &str, count: u64, at: i64) {
        if let Some(notice) = self.open.get_mut(key) {
            notice.told = notice.told.max(count);
            notice.told_at = Some(at);
        }
    }

    /// All that are open.
    pub fn open(&self) -> impl Iterator<Item = &Notice> {
        self.open.values()
    }
}

/// When a notice is to be told; `None` where all of it was.
fn when(notice: &Notice, limits: &Limits) -> Option<i64> {
    let seconds = |span: u64| i64::try_from(span).unwrap_or(i64::MAX);
    match notice.told_at {
        None => Some(notice.first.saturating_add(seconds(limits.gather))),
        Some(at) => (notice.count > notice.told).then(|| at.saturating_add(seconds(limits.window))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Culprit, Outcome};

    fn found() -> Found {
        Found {
            outcome: Outcome::Diagnosed,
            headline: "x".to_owned(),
            cause: Some("gpu-fell-off-bus".to_owned()),
            title: String::new(),
            area: "gpu".to_owned(),
            confidence: None,
            culprit: Culprit { nodes: vec!["gpu-17".to_owned()], ..Culprit::default() },
            lines: Vec::new(),
            fix: String::new(),
            boards: Vec::new(),
            placed: Vec::new(),
            not_placed: None,
            report: None,
            waits: Vec::new(),
            kept: Vec::new(),
        }
    }

    #[test]
    fn a_wave_is_one_notice_with_a_count() {
        let limits = Limits { gather: 60, window: 3600, ..Limits::default() };
        let mut book = Book::default();
        let key = found().key("a");
        (0..200).for_each(|nth| book.take(&key, &format!("job {nth}"), &found(), 1000 + nth / 10, &limits));
        assert_eq!(book.due(1059, &limits), []);
        let due = book.due(1060, &limits);
        assert_eq!((due.len(), due[0].count, due[0].subjects.len()), (1, 200, NAMED));
        book.told(&key, 200, 1060);
        assert_eq!((book.due(9999, &limits).len(), book.next(&limits)), (0, None), "nothing more came");
    }

    #[test]
    fn a_crash_loop_is_told_once_a_window() {
        let limits = Limits { gather: 0, window: 3600, ..Limits::default() };
        let mut book = Book::default();
        let mut told = 0;
        // Every two minutes for four hours.
        for at in (0..4 * 3600).step_by(120) {
            book.take("k", "pod a/b", &found(), at, &limits);
            for notice in book.due(at, &limits) {
                book.told(&notice.key, notice.count, at);
                told += 1;
            }
        }
        assert_eq!(told, 4);
        book.take("k", "pod a/b", &found(), 100_000, &limits);
        assert_eq!(book.due(100_000, &limits)[0].count, 121, "what was not told yet is told with it");
        book.told("k", 121, 100_000);
        book.take("k", "pod a/b", &found(), 200_000, &limits);
        assert_eq!(book.due(200_000, &limits)[0].count, 1, "after a silence it is news");
    }

    #[test]
    fn machines_are_known_by_their_names_and_work_by_whose_it_is() {
        let here = found();
        assert_eq!(here.key("1000:train"), here.key("1001:eval"), "the same GPU node whoever's job died");
        let code = Found { area: "application".to_owned(), ..found() };
        assert_ne!(code.key("1000:train"), code.key("1001:eval"));
        let elsewhere =
            Found { culprit: Culprit { nodes: vec!["gpu-9".into()], ..Culprit::default() }, ..code.clone() };
        assert_eq!(code.key("a"), elsewhere.key("a"), "the same bug on another node is the same bug");
    }

    #[test]
    fn so_many_keys_and_no_more() {
        let limits = Limits::default();
        let mut book = Book::default();
        (0..MOST as i64 + 10).for_each(|nth| book.take(&format!("k{nth}"), "x", &found(), nth, &limits));
        assert_eq!(book.open().count(), MOST);
        assert!(book.open().all(|notice| notice.last >= 10), "the oldest went");
    }
}
