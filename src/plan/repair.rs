//! A task that is changed because a run of it could not do its work: declared parameters within their types, and nothing else.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::grammar;
use super::task::{Group, Part, Script, Task, What};
use crate::playbook::schema::Parameter;
use crate::playbook::test::TOOL_FOLDERS;

/// What is changed of one group of a task, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// Which of the task's groups.
    pub group: usize,
    /// The reason that its run gave, as it is declared: `port-taken`.
    pub reason: String,
    /// Of what: the tool that is missing, the launcher that fails. The same reason of the same thing is repaired once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// The same in a sentence, with what is done about it.
    pub said: String,
    /// What is changed; all of it.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A declared parameter gets another value.
    Set {
        /// In this part of the group; without it in all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<usize>,
        /// The parameter.
        name: String,
        /// Its value.
        to: String,
    },
    /// The script's text for a plain `sh`.
    Plain,
    /// Nothing, but so many seconds later.
    Wait(u64),
}

impl Repair {
    /// How long to wait before it is run again, in seconds.
    #[must_use]
    pub fn wait_s(&self) -> u64 {
        let wait = |change: &Change| if let Change::Wait(seconds) = change { *seconds } else { 0 };
        self.changes.iter().map(wait).max().unwrap_or(0)
    }
}

impl Part {
    /// A parameter of it.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.work.env.get(&variable(name)).map(String::as_str)
    }

    /// Whether a folder is one of those in which its tools are looked for.
    #[must_use]
    pub fn looks_in(&self, folder: &str) -> bool {
        let site = self.value("tools").unwrap_or_default().split(':').any(|own| !own.is_empty() && own == folder);
        grammar::path(folder) && (site || TOOL_FOLDERS.iter().any(|pattern| expands_to(pattern, folder)))
    }

    fn set(&mut self, name: &str, value: &str) {
        let known = name != "path" || value.split(':').all(|folder| self.looks_in(folder));
        if known {
            self.work.env.insert(variable(name), value.to_owned());
        }
    }
}

/// The name of the variable by which a script reads a parameter.
fn variable(name: &str) -> String {
    format!("DIAG_{}", name.to_uppercase())
}

/// Whether a shell could expand a pattern to a folder: a `*` stands for any letters within a name.
fn expands_to(pattern: &str, folder: &str) -> bool {
    let one = |(pattern, name): (&str, &str)| match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len()
                && name.starts_with(start)
                && name.ends_with(end)
                && !name.starts_with('.')
        }
    };
    let (patterns, names): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), folder.split('/').collect());
    patterns.len() == names.len() && patterns.into_iter().zip(names).all(one)
}

impl Task {
    /// Tools of its scripts are looked for in these folders too, `:` between them, where they are not in the path.
    pub fn look_in(&mut self, folders: &str) {
        for part in self.groups.iter_mut().flat_map(|group| &mut group.parts) {
            if matches!(part.work.what, What::Script(_)) {
                part.work.env.insert(variable("tools"), folders.to_owned());
            }
        }
    }

    /// The task with all of these repairs, the later ones over the earlier. What `params` does not declare, or a value that is
    /// not of its type, changes nothing.
    #[must_use]
    pub fn repaired(&self, repairs: &[Repair], params: &IndexMap<String, Parameter>) -> Self {
        let mut task = self.clone();
        for repair in repairs {
            let Some(group) = task.groups.get_mut(repair.group) else { continue };
            repair.changes.iter().for_each(|change| group.take(change, params));
        }
        task
    }
}

impl Group {
    fn take(&mut self, change: &Change, params: &IndexMap<String, Parameter>) {
        match change {
            Change::Wait(_) => {}
            Change::Plain => self.parts.iter_mut().for_each(plain),
            Change::Set { part, name, to } => {
                let Some(Ok(value)) = params.get(name).map(|parameter| grammar::check(parameter, to)) else { return };
                let wanted = |at: usize| part.is_none_or(|part| part == at);
                for (_, part) in self.parts.iter_mut().enumerate().filter(|(at, _)| wanted(*at)) {
                    part.set(name, &value);
                }
            }
        }
    }
}

fn plain(part: &mut Part) {
    if let What::Script(script) = &mut part.work.what
        && let Some(text) = script.plain.take()
    {
        *script = Script::sh(text);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::plan::{Access, Target, Work};
    use crate::playbook::schema::Risk;

    fn task() -> Task {
        let work = Work {
            what: What::Script(Script { shell: "bash".into(), plain: Some("plain".into()), ..Script::sh("text") }),
            env: BTreeMap::from([("DIAG_LISTEN".to_owned(), "5299".to_owned())]),
            timeout: Duration::from_secs(1),
            output_cap: 1,
            access: Access::default(),
        };
        let part = Part { target: Target::Here, work };
        let groups = vec![Group { parts: vec![part.clone(), part.clone()] }, Group { parts: vec![part] }];
        Task { id: "t".into(), title: "t".into(), risk: Risk::Load, disturbs: String::new(), groups }
    }

    fn repair(change: Change) -> Repair {
        Repair { group: 0, reason: "r".into(), of: String::new(), said: String::new(), changes: vec![change] }
    }

    fn set(part: Option<usize>, name: &str, to: &str) -> Repair {
        repair(Change::Set { part, name: name.to_owned(), to: to.to_owned() })
    }

    #[test]
    fn a_repair_changes_declared_parameters_within_their_types_and_nothing_else() {
        let listen: Parameter = toml::from_str("type = 'int'\nmin = 1024\nmax = 65535").unwrap();
        let launcher: Parameter = toml::from_str("type = 'str'\none_of = ['auto', 'srun']").unwrap();
        let params = [("listen".to_owned(), listen), ("launcher".to_owned(), launcher)].into_iter().collect();
        let of = |repair: Repair| task().repaired(&[repair], &params);
        let changed = of(set(None, "listen", "5336"));
        let value = |task: &Task, group: usize, part: usize| {
            task.groups[group].parts[part].work.env.get("DIAG_LISTEN").cloned().unwrap()
        };
        assert_eq!((value(&changed, 0, 0), value(&changed, 0, 1)), ("5336".into(), "5336".into()));
        assert_eq!(value(&changed, 1, 0), "5299", "another group");
        assert_eq!(value(&of(set(Some(1), "listen", "5336")), 0, 0), "5299", "another part");
        for (name, to) in
            [("listen", "80"), ("listen", "5336;id"), ("launcher", "rm"), ("path", "/tmp/evil"), ("LD_PRELOAD", "/x")]
        {
            assert_eq!(of(set(None, name, to)), task(), "{name}={to}");
        }
        let params =
            [("path".to_owned(), Parameter { kind: "folders".into(), ..Parameter::default() })].into_iter().collect();
        for (folder, good) in [
            ("/opt/perftest/bin", true),
            ("/usr/local/cuda-12.4/bin", true),
            ("/opt/site:/usr/local/bin", false),
            ("/opt/../tmp/bin", false),
            ("/opt/.x/bin", false),
            ("/tmp/evil", false),
            ("/opt/x;id/bin", false),
            ("/opt/a/b/c/bin", false),
        ] {
            let changed = task().repaired(&[set(Some(0), "path", folder)], &params);
            assert_eq!(changed.groups[0].parts[0].value("path"), good.then_some(folder), "{folder}");
        }
        let plain = of(repair(Change::Plain));
        assert_eq!(plain.groups[0].parts[0].work.what, What::Script(Script::sh("plain")));
        assert_ne!(plain.digest(), task().digest());
    }
}
