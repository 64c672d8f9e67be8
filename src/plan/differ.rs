//! How a step differs from what it was: for whoever agreed to what it was.

use std::collections::BTreeSet;

use super::step::Step;
use super::task::{Part, What};

/// Most differences that are told.
const MOST: usize = 12;

/// In which respects a step runs something else now; empty: it does not.
#[must_use]
pub fn differs(before: &Step, now: &Step) -> Vec<String> {
    if before.digest() == now.digest() {
        return Vec::new();
    }
    let (old, new) = (parts(before), parts(now));
    let mut told = targets(&old, &new);
    for part in &new {
        if let Some(same) = old.iter().find(|same| same.target == part.target) {
            told.extend(work(same, part));
        }
    }
    if told.is_empty() {
        told.push("the order in which it is run, its time or its rights".to_owned());
    }
    let more = told.len().saturating_sub(MOST);
    told.truncate(MOST);
    told.extend((more > 0).then(|| format!("and {more} more")));
    told
}

fn parts(step: &Step) -> Vec<&Part> {
    step.tasks.iter().flat_map(|task| &task.groups).flat_map(|group| &group.parts).collect()
}

fn targets(old: &[&Part], new: &[&Part]) -> Vec<String> {
    let names = |parts: &[&Part]| parts.iter().map(|part| part.target.to_string()).collect::<BTreeSet<String>>();
    let (old, new) = (names(old), names(new));
    let list = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>().join(", ");
    let gone = list(old.difference(&new).collect());
    let come = list(new.difference(&old).collect());
    let gone = (!gone.is_empty()).then(|| format!("no longer on {gone}"));
    let come = (!come.is_empty()).then(|| format!("now also on {come}"));
    gone.into_iter().chain(come).collect()
}

fn work(old: &Part, new: &Part) -> Vec<String> {
    let on = &new.target;
    let mut told = Vec::new();
    match (&old.work.what, &new.work.what) {
        (What::Argv(old), What::Argv(new)) if old != new => {
            told.push(format!("on {on}: `{}` was `{}`", new.join(" "), old.join(" ")));
        }
        (What::Script(old), What::Script(new)) if old != new => {
            let known: BTreeSet<&str> = old.text.lines().collect();
            let first = new.text.lines().find(|line| !known.contains(line) && !line.trim().is_empty());
            let first = first.map(|line| format!(": {}", line.trim())).unwrap_or_default();
            told.push(format!("on {on}: another script{first}"));
        }
        (What::Argv(_), What::Argv(_)) | (What::Script(_), What::Script(_)) => {}
        _ => told.push(format!("on {on}: a script and no command, or the other way round")),
    }
    let names: BTreeSet<&String> = old.work.env.keys().chain(new.work.env.keys()).collect();
    for name in names {
        let (before, now) = (old.work.env.get(name), new.work.env.get(name));
        if before != now {
            let word = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
            told.push(format!("on {on}: {name} is {} and was {}", word(now), word(before)));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::plan::{Access, Group, Script, Target, Task, Work};
    use crate::playbook::schema::Risk;

    fn step(node: &str, what: What, env: &[(&str, &str)]) -> Step {
        let env: BTreeMap<String, String> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let work = Work { what, env, timeout: Duration::from_secs(5), output_cap: 1, access: Access::default() };
        let groups = vec![Group { parts: vec![Part { target: Target::Node(node.parse().unwrap()), work }] }];
        let task = Task { id: "x".into(), title: "x".into(), risk: Risk::Load, disturbs: String::new(), groups };
        Step::alone(task)
    }

    #[test]
    fn what_has_changed_is_named() {
        let script = |text: &str| What::Script(Script::sh(text));
        let one = step("gpu-17", script("ls\n"), &[("DIAG_DEV", "eth0")]);
        assert_eq!(differs(&one, &one), [] as [&str; 0]);
        assert_eq!(
            differs(&one, &step("gpu-18", script("ls\n"), &[("DIAG_DEV", "eth0")])),
            ["no longer on gpu-17", "now also on gpu-18"]
        );
        let told = differs(&one, &step("gpu-17", script("ls\nrm -rf /x\n"), &[("DIAG_DEV", "eth1")]));
        assert_eq!(told, ["on gpu-17: another script: rm -rf /x", "on gpu-17: DIAG_DEV is eth1 and was eth0"]);
        let argv = |words: &str| What::Argv(words.split(' ').map(str::to_owned).collect());
        let told = differs(&step("gpu-17", argv("a b"), &[]), &step("gpu-17", argv("a c"), &[]));
        assert_eq!(told, ["on gpu-17: `a c` was `a b`"]);
        let mut late = one.clone();
        late.tasks[0].groups[0].parts[0].work.timeout = Duration::from_secs(6);
        assert_eq!(differs(&one, &late).len(), 1);
    }
}
