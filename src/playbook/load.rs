//! Getting playbooks: those built in, and those in a folder.

use indexmap::IndexMap;
use serde::Deserialize;

use super::echo::{EchoGroup, resolve};
use super::intent::Lexicon;
use super::schema::{Aim, Playbook, Set, Undo};
use super::test::TestBook;
use super::used::used;
use crate::error::Error;

/// Playbooks as gathered by the build script, without their cases.
const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/library.json"));

/// All playbooks, sets and catalogues.
#[derive(Debug, Default, Deserialize)]
pub struct Library {
    /// Causes with the area they belong to.
    pub playbooks: Vec<Shelved>,
    /// What several causes bring about alike.
    pub echoes: Vec<EchoGroup>,
    /// Symptoms that people type.
    pub sets: Vec<Set>,
    /// Tests that can be run by name.
    pub tests: Vec<TestBook>,
    /// Words by which people say what they want, a language each.
    #[serde(default)]
    pub intents: Vec<Lexicon>,
    /// Tables for `diag explain`, by name.
    pub catalogue: IndexMap<String, serde_json::Value>,
}

/// A playbook and the area it stands in.
#[derive(Debug, Clone, Deserialize)]
pub struct Shelved {
    /// Folder: `network`, `gpu`, …
    pub area: String,
    /// The playbook.
    pub playbook: Playbook,
}

impl Library {
    /// The playbook of a cause.
    pub fn get(&self, id: &str) -> Option<&Playbook> {
        self.playbooks.iter().map(|shelved| &shelved.playbook).find(|playbook| playbook.id == id)
    }

    /// Adds playbooks, groups of echoes and tests; one of a known name replaces it.
    ///
    /// # Errors
    /// A playbook that names a group or test which is not there.
    pub fn add(&mut self, more: Vec<Shelved>, groups: Vec<EchoGroup>, tests: Vec<TestBook>) -> Result<(), Error> {
        for test in tests {
            self.tests.retain(|known| known.id != test.id);
            self.tests.push(test);
        }
        for group in groups {
            self.echoes.retain(|known| known.id != group.id);
            self.echoes.push(group);
        }
        for mut shelved in more {
            expand(&mut shelved.playbook, &self.echoes, &self.tests)?;
            self.playbooks.retain(|known| known.playbook.id != shelved.playbook.id);
            self.playbooks.push(shelved);
        }
        Ok(())
    }
}

/// Puts the echoes of groups in the place of their names, and tests that stand in files of their own in the place of theirs.
///
/// # Errors
/// A name that no group, or no test, has.
pub fn expand(playbook: &mut Playbook, groups: &[EchoGroup], tests: &[TestBook]) -> Result<(), Error> {
    used(playbook, tests).map_err(|why| {
        Error::new("playbook.invalid", &playbook.id, why).with_way_on("tests are the files of playbooks/tests/")
    })?;
    let find = |name: &str| groups.iter().find(|group| group.id == name);
    playbook.echoes = resolve(&playbook.echoes, find).map_err(|name| {
        Error::new("playbook.invalid", &playbook.id, format!("echoes: there is no group `{name}`"))
            .with_way_on("groups are the files of playbooks/echoes/")
    })?;
    keep_off(playbook).map_err(|why| {
        Error::new("playbook.invalid", &playbook.id, why).with_way_on("leave `do`, `script` and `undo` of that fix out")
    })?;
    let Some(first) = playbook.needs.values().next() else { return Ok(()) };
    let kinds = [first.evidence.as_slice(), &first.also].concat();
    for group in groups.iter().filter(|group| group.belongs_to(&kinds)) {
        playbook.echoes.extend(group.echoes.iter().cloned());
    }
    Ok(())
}

/// How a node is kept off is no cause's own: the commands by which a person does it in Slurm and takes it back. What diag runs asks
/// first who else keeps the node off (`src/plan/service.rs`).
fn keep_off(playbook: &mut Playbook) -> Result<(), String> {
    let update = |words: &[&str]| {
        ["scontrol", "update", "NodeName={node}"].iter().chain(words).map(|word| (*word).to_owned()).collect()
    };
    let off: Vec<Vec<String>> = vec![update(&["State=DRAIN", &format!("Reason=diag:{}", playbook.id)])];
    for fix in playbook.fix.iter_mut().filter(|fix| fix.aim == Aim::Contain) {
        if fix.script.is_some() || !(fix.commands.is_empty() || fix.commands == off) {
            return Err(format!(
                "fix `{}`: with `aim = \"contain\"` diag knows itself how the node is kept off",
                fix.id
            ));
        }
        if fix.params.get("node").is_none_or(|node| node.kind != "node") {
            return Err(format!("fix `{}`: with `aim = \"contain\"` it needs a parameter `node` of type node", fix.id));
        }
        fix.commands.clone_from(&off);
        fix.undo = Undo::Do(vec![update(&["State=RESUME"])]);
    }
    Ok(())
}

/// The built-in playbooks.
///
/// # Errors
/// A playbook that does not have the shape of [`Playbook`]; the tests keep such a build from being made.
pub fn built_in() -> Result<Library, Error> {
    let mut library: Library = serde_json::from_slice(BUILT_IN).map_err(|error| {
        Error::new("playbook.invalid", "built-in playbooks", error.to_string()).with_way_on("run `diag playbook check`")
    })?;
    for shelved in &mut library.playbooks {
        expand(&mut shelved.playbook, &library.echoes, &library.tests)?;
    }
    Ok(library)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_a_look_at_the_node_tells_explains_that_a_hook_refused() {
        let library = built_in().unwrap();
        let explains = |id: &str| {
            let echoes = &library.get(id).unwrap().echoes;
            echoes.iter().any(|echo| echo.kinds.iter().any(|kind| kind == "hook.refused"))
        };
        for told in ["gpu-fell-off-bus", "gpu-ecc-uncorrectable", "gpu-gsp-timeout", "disk-full", "host-hardware-error"]
        {
            assert!(explains(told), "{told}");
        }
        for other in ["rank-exception", "gpu-mmu-fault", "slurm-prolog-failed"] {
            assert!(!explains(other), "{other}");
        }
    }
}
