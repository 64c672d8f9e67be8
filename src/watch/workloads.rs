//! What failed in a cluster, as its API server tells it, and what of it is looked at when: all pods of one work that fail together
//! are one look, and the same failure is looked at once within a window.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::Object;
use super::trouble::{Kind, Trouble, of_owner, of_pod};
use crate::kubernetes::is_name;

/// Most works, pods or owners that are remembered of each kind; of more the oldest are forgotten.
const MOST: usize = 10_000;

/// Most different failures of one work that are told apart.
const MOST_SIGNS: usize = 32;

/// A work that goes on failing is looked at after so many times the silence that is waited for.
const AT_MOST: i64 = 6;

/// Owners whose pods fail each by itself.
const LOOSE: [&str; 4] = ["DaemonSet", "Node", "ReplicaSet", "ReplicationController"];

/// Owners of jobs that are no work of their own: each of their jobs is.
const TIMETABLES: [&str; 1] = ["CronJob"];

/// What `diag` itself makes: its tests fail where a node is bad.
const OURS: (&str, &str) = ("app.kubernetes.io/managed-by", "diag");

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Seconds in which no more pods of a work fail, until it is looked at.
    pub settle: i64,
    /// Seconds that a pod may wait for a place.
    pub pending: i64,
    /// Failures that are older are no news, in seconds.
    pub news: i64,
    /// The same failure of the same work is looked at once within so many seconds.
    pub window: i64,
}

/// What is remembered of works that were looked at; kept on the disk by whoever watches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Looked {
    /// When it was last put into the queue.
    at: i64,
    /// Its failures, each with the time of the last one.
    signs: BTreeMap<String, i64>,
}

/// A work of which more may fail yet.
#[derive(Debug)]
struct Failing {
    object: Object,
    first: i64,
    last: i64,
    troubles: Vec<Trouble>,
}

/// Everything that is known.
#[derive(Debug)]
pub struct Workloads {
    patience: Patience,
    looked: BTreeMap<String, Looked>,
    failing: BTreeMap<String, Failing>,
    /// Pods without a place, by their id: what they belong to, and since when.
    unplaced: BTreeMap<String, (Object, i64)>,
    /// What owns a job, by the job's id.
    above: BTreeMap<String, Object>,
}

impl Workloads {
    /// Knows what was looked at before, as [`Self::looked`] told it.
    #[must_use]
    pub fn new(patience: Patience, looked: Option<Value>) -> Self {
        let looked = looked.and_then(|looked| serde_json::from_value(looked).ok()).unwrap_or_default();
        let (failing, unplaced, above) = Default::default();
        Self { patience, looked, failing, unplaced, above }
    }

    /// What was looked at, to be kept.
    #[must_use]
    pub fn looked(&self) -> Value {
        serde_json::to_value(&self.looked).unwrap_or_default()
    }

    /// The list of pods is read anew: what it does not tell is gone.
    pub fn pods_anew(&mut self) {
        self.unplaced.clear();
    }

    /// A pod as it is now.
    pub fn pod(&mut self, pod: &Value, now: i64) {
        let Some(own) = identity(pod, "v1", "Pod").filter(|_| !ours(pod)) else { return };
        let owner = controller(pod, &own.namespace).filter(|owner| !LOOSE.contains(&owner.kind.as_str()));
        let uid = own.uid.clone();
        let work = owner.unwrap_or(own);
        self.unplaced.remove(&uid);
        for trouble in of_pod(pod) {
            if trouble.kind == Kind::Unplaced {
                room(&mut self.unplaced, &uid, |(_, since)| *since);
                self.unplaced.insert(uid.clone(), (work.clone(), trouble.at));
            } else {
                self.heard(work.clone(), trouble, now);
            }
        }
    }

    /// A pod that is gone.
    pub fn pod_gone(&mut self, pod: &Value) {
        pod["metadata"]["uid"].as_str().and_then(|uid| self.unplaced.remove(uid));
    }

    /// A job of some kind as it is now, its kind as the API names it.
    pub fn owner(&mut self, owner: &Value, api: &str, kind: &str, now: i64) {
        let Some(own) = identity(owner, api, kind).filter(|_| !ours(owner)) else { return };
        let above = controller(owner, &own.namespace).filter(|above| !TIMETABLES.contains(&above.kind.as_str()));
        if let Some(above) = above
            && (self.above.len() < MOST || self.above.contains_key(&own.uid))
        {
            self.above.insert(own.uid.clone(), above);
        }
        if let Some(trouble) = of_owner(owner) {
            self.heard(own, trouble, now);
        }
    }

    /// A job that is gone. What it belonged to is known until its pods are judged, which are told of by another list.
    pub fn owner_gone(&mut self, owner: &Value) {
        let uid = owner["metadata"]["uid"].as_str().unwrap_or_default();
        if !self.failing.contains_key(uid) {
            self.above.remove(uid);
        }
    }

    fn heard(&mut self, work: Object, trouble: Trouble, now: i64) {
        if now.saturating_sub(trouble.at) > self.patience.news {
            return;
        }
        room(&mut self.failing, &work.uid, |failing| failing.last);
        let fresh = || Failing { object: work.clone(), first: now, last: now, troubles: Vec::new() };
        let failing = self.failing.entry(work.uid.clone()).or_insert_with(fresh);
        let known = failing.troubles.iter().position(|known| known.sign == trouble.sign);
        match known {
            Some(at) if failing.troubles[at].at >= trouble.at => return,
            Some(at) => failing.troubles[at] = trouble,
            None if failing.troubles.len() < MOST_SIGNS => failing.troubles.push(trouble),
            None => return,
        }
        failing.last = now;
    }

    /// What is to be looked at now; `all`: without waiting for more.
    pub fn due(&mut self, now: i64, all: bool) -> Vec<Object> {
        let Patience { settle, pending, news, window } = self.patience;
        let mut late = Vec::new();
        self.unplaced.retain(|_, (work, since)| {
            let over = now.saturating_sub(*since) >= pending;
            if over {
                late.push((work.clone(), since.saturating_add(pending)));
            }
            !over
        });
        for (work, at) in late {
            self.heard(work, Trouble { sign: "Unschedulable".to_owned(), at, kind: Kind::Unplaced }, now);
        }
        self.looked.retain(|_, looked| now.saturating_sub(looked.at) <= news.max(window));
        let settled = |failing: &Failing| now - failing.last >= settle || now - failing.first >= AT_MOST * settle;
        let ready = self.failing.iter().filter(|(_, failing)| all || settled(failing));
        let ready: Vec<String> = ready.map(|(uid, _)| uid.clone()).collect();
        let mut due: BTreeMap<String, Object> = BTreeMap::new();
        for uid in ready {
            let Some(failing) = self.failing.remove(&uid) else { continue };
            let work = self.above.get(&uid).cloned().unwrap_or(failing.object);
            if self.is_news(&work, failing.troubles, now) || due.contains_key(&work.uid) {
                due.insert(work.uid.clone(), work);
            }
        }
        due.into_values().collect()
    }

    /// Whether any of it was not looked at yet; from now on it was.
    fn is_news(&mut self, work: &Object, troubles: Vec<Trouble>, now: i64) -> bool {
        let window = self.patience.window;
        let known = self.looked.get(&work.uid);
        let fresh = |trouble: &Trouble| match (known, trouble.kind) {
            (None, _) => true,
            // Whoever was looked at while its pods failed is not looked at because it has given up.
            (Some(known), Kind::Over) => now.saturating_sub(known.at) > window,
            (Some(known), _) => known.signs.get(&trouble.sign).is_none_or(|at| trouble.at.saturating_sub(*at) > window),
        };
        if !troubles.iter().any(fresh) {
            return false;
        }
        room(&mut self.looked, &work.uid, |looked| looked.at);
        let looked = self.looked.entry(work.uid.clone()).or_default();
        looked.at = now;
        looked.signs.extend(troubles.into_iter().take(MOST_SIGNS).map(|trouble| (trouble.sign, trouble.at)));
        true
    }
}

/// Makes room for a key: where there are too many the oldest goes.
fn room<T>(map: &mut BTreeMap<String, T>, key: &str, age: impl Fn(&T) -> i64) {
    if map.len() >= MOST && !map.contains_key(key) {
        let oldest = map.iter().min_by_key(|(_, value)| age(value)).map(|(key, _)| key.clone());
        oldest.and_then(|key| map.remove(&key));
    }
}

/// What an object is, where its names are names.
fn identity(object: &Value, api: &str, kind: &str) -> Option<Object> {
    let text = |key: &str| object["metadata"][key].as_str();
    named(api, kind, text("namespace")?, text("name")?, text("uid")?)
}

/// What controls an object.
fn controller(object: &Value, namespace: &str) -> Option<Object> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let text = |key: &str| owner[key].as_str();
    named(text("apiVersion")?, text("kind")?, namespace, text("name")?, text("uid")?)
}

/// Such words become parts of paths, queries and files: they are what the API lets names be, or the object is passed over.
fn named(api: &str, kind: &str, namespace: &str, name: &str, uid: &str) -> Option<Object> {
    let word = |text: &str, more: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        (1..=253).contains(&text.len()) && text.chars().all(plain)
    };
    let fits = is_name(namespace) && is_name(name) && word(kind, "") && word(uid, "-") && word(api, "./-");
    fits.then(|| Object {
        context: None,
        api: api.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
    })
}

fn ours(object: &Value) -> bool {
    object["metadata"]["labels"][OURS.0] == OURS.1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PATIENCE: Patience = Patience { settle: 10, pending: 600, news: 3600, window: 3600 };

    fn works() -> Workloads {
        Workloads::new(PATIENCE, None)
    }

    fn stamp(at: i64) -> String {
        jiff::Timestamp::from_second(at).unwrap().to_string()
    }

    fn pod(name: &str, owner: Option<(&str, &str)>, code: i64, at: i64) -> Value {
        let owners: Vec<Value> = owner
            .iter()
            .map(|(kind, name)| json!({ "apiVersion": "batch/v1", "kind": kind, "name": name, "uid": format!("u-{name}"), "controller": true }))
            .collect();
        json!({ "metadata": { "name": name, "namespace": "research", "uid": format!("u-{name}"), "ownerReferences": owners },
            "status": { "phase": "Failed", "containerStatuses": [{ "name": "trainer",
                "state": { "terminated": { "reason": "Error", "exitCode": code, "finishedAt": stamp(at) } } }] } })
    }

    fn names(due: &[Object]) -> Vec<String> {
        due.iter().map(|one| format!("{} {}", one.kind, one.name)).collect()
    }

    #[test]
    fn pods_of_one_job_that_fail_together_are_one_look() {
        let mut works = works();
        let job = |nth: i64| pod(&format!("train-{nth}"), Some(("Job", "train")), 1, 1000 + nth / 8);
        for nth in 0..64 {
            works.pod(&job(nth), 1000 + nth / 8);
        }
        assert_eq!(names(&works.due(1016, false)), [""; 0], "more may fail yet");
        assert_eq!(names(&works.due(1017, false)), ["Job train"]);
        // Told again, as each list does; and the job gives up.
        (0..64).for_each(|nth| works.pod(&job(nth), 1100));
        let failed = json!({ "metadata": { "name": "train", "namespace": "research", "uid": "u-train" },
            "status": { "conditions": [{ "type": "Failed", "status": "True", "lastTransitionTime": stamp(1090) }] } });
        works.owner(&failed, "batch/v1", "Job", 1100);
        assert_eq!(names(&works.due(1200, false)), [""; 0]);
        // A pod that ends otherwise is news.
        works.pod(&pod("train-9", Some(("Job", "train")), 137, 1300), 1300);
        assert_eq!(names(&works.due(1310, false)), ["Job train"]);
    }

    #[test]
    fn one_that_goes_on_failing_is_not_waited_for_for_ever_and_a_loop_is_looked_at_once_a_window() {
        let mut works = works();
        let mut looks = 0;
        for at in (10_000..10_000 + 2 * 3600).step_by(5) {
            works.pod(&pod("train-0", None, 1, at), at);
            looks += works.due(at, false).len();
        }
        assert_eq!(looks, 2);
    }

    #[test]
    fn what_was_looked_at_is_known_after_a_restart_and_what_is_old_is_no_news() {
        let mut first = works();
        first.pod(&pod("train-0", None, 1, 9000), 9000);
        assert_eq!(first.due(9000, true).len(), 1);
        let mut second = Workloads::new(PATIENCE, Some(first.looked()));
        second.pod(&pod("train-0", None, 1, 9000), 9100);
        second.pod(&pod("eval-0", None, 1, 9050), 9100);
        second.pod(&pod("old-0", None, 1, 100), 9100);
        assert_eq!(names(&second.due(9100, true)), ["Pod eval-0"]);
        assert_eq!(Workloads::new(PATIENCE, Some(json!("damaged"))).looked(), json!({}));
    }

    #[test]
    fn jobs_of_a_set_are_one_work_those_of_a_timetable_and_pods_of_services_are_not() {
        let mut works = works();
        let job = |name: &str, kind: &str, above: &str| {
            json!({ "metadata": { "name": name, "namespace": "research", "uid": format!("u-{name}"), "ownerReferences": [
                { "apiVersion": "x/v1", "kind": kind, "name": above, "uid": format!("u-{above}"), "controller": true }] } })
        };
        works.owner(&job("set-a", "JobSet", "set"), "batch/v1", "Job", 1000);
        works.owner(&job("set-b", "JobSet", "set"), "batch/v1", "Job", 1000);
        works.owner(&job("night-1", "CronJob", "night"), "batch/v1", "Job", 1000);
        let owners = [
            ("Job", "set-a"),
            ("Job", "set-b"),
            ("Job", "night-1"),
            ("ReplicaSet", "web-7d9f"),
            ("DaemonSet", "plugin"),
        ];
        for (kind, name) in owners {
            works.pod(&pod(&format!("{name}-x2x4z"), Some((kind, name)), 1, 1000), 1000);
        }
        assert_eq!(
            names(&works.due(1000, true)),
            ["Job night-1", "Pod plugin-x2x4z", "JobSet set", "Pod web-7d9f-x2x4z"]
        );
    }

    #[test]
    fn a_pod_without_a_place_is_looked_at_once_it_waited_too_long_and_not_when_it_got_one() {
        let mut works = works();
        let waits = |name: &str| {
            json!({ "metadata": { "name": name, "namespace": "research", "uid": format!("u-{name}") },
                "status": { "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False",
                    "reason": "Unschedulable", "lastTransitionTime": stamp(1000) }] } })
        };
        for name in ["a", "b", "c"] {
            works.pod(&waits(name), 1001);
        }
        let placed = json!({ "metadata": { "name": "b", "namespace": "research", "uid": "u-b" }, "status": { "phase": "Running" } });
        works.pod(&placed, 1100);
        works.pod_gone(&waits("c"));
        assert_eq!(names(&works.due(1599, true)), [""; 0]);
        assert_eq!(names(&works.due(1600, true)), ["Pod a"]);
        works.pod(&waits("a"), 2000);
        assert_eq!(names(&works.due(2000, true)), [""; 0]);
    }

    #[test]
    fn names_that_are_none_and_work_of_ours_are_passed_over() {
        let mut works = works();
        for name in ["../../etc/passwd", "a?b", "a\u{1b}[2J", "$(reboot)"] {
            works.pod(&pod(name, None, 1, 1000), 1000);
            works.pod(&pod("ok-0", Some(("Job", name)), 1, 1000), 1000);
        }
        let mut own = pod("diag-ab12-0", None, 1, 1000);
        own["metadata"]["labels"] = json!({ "app.kubernetes.io/managed-by": "diag" });
        works.pod(&own, 1000);
        assert_eq!(names(&works.due(1000, true)), ["Pod ok-0"], "what owns it can't be named");
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let mut works = works();
        let nth = |nth: usize| format!("p-{nth}");
        for at in 0..MOST + 10 {
            works.pod(&pod(&nth(at), None, 1, 1000), 1000);
        }
        assert_eq!(works.failing.len(), MOST);
        assert_eq!(works.due(1000, true).len(), MOST);
        works.pod(&pod("one-more", None, 1, 1000), 1000);
        works.due(1000, true);
        assert_eq!(works.looked.len(), MOST);
    }
}
