//! What this node saw last: how far the kernel's log was read, and faults that no reset has cured yet.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::probe::Counters;
use crate::reading::{Quantity, Reading, Verdict};

/// Most faults that are kept.
const MOST: usize = 64;

/// The state of one boot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The kernel's name of this boot.
    boot: String,
    /// The last second of the kernel's log that was looked at.
    last: f64,
    /// Faults of GPUs that the log told of.
    #[serde(default)]
    faults: Vec<Reading>,
    /// Counters of the fabric.
    #[serde(default)]
    counters: Counters,
}

impl State {
    /// What is known of this boot; nothing of an earlier one counts.
    pub fn load(folder: &Path) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let known = fs::read(file(folder)).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        known.filter(|state| state.boot == boot).unwrap_or(Self { boot, ..Self::default() })
    }

    /// The second after which lines are new.
    pub fn last(&self) -> f64 {
        self.last
    }

    /// Takes in a look: its new faults are kept, old ones that the driver no longer knows of are dropped. Returns the
    /// readings together with the faults that still stand, each with the index of its GPU where that is known.
    /// `now` is in seconds since the boot.
    pub fn take(&mut self, mut readings: Vec<Reading>, now: f64) -> Vec<Reading> {
        self.counters.compare(now, &mut readings);
        if let Some(Quantity::Number(last)) =
            readings.iter().find(|r| r.probe == "kernel" && r.name == "last").and_then(|r| r.value.clone())
        {
            self.last = self.last.max(last);
        }
        self.faults.retain(|fault| !cured(fault, &readings));
        readings.extend(self.faults.iter().cloned());
        let indices: Vec<(String, String)> = readings.iter().filter_map(index).collect();
        for reading in readings.iter_mut().filter(|reading| reading.probe == "kernel") {
            let gpu = reading.of.get("gpu").cloned();
            if let Some((_, index)) = indices.iter().find(|(pci, _)| Some(pci) == gpu.as_ref()) {
                reading.of.insert("index".to_owned(), index.clone());
            }
        }
        let bad =
            readings.iter().filter(|r| r.probe == "kernel" && r.verdict == Verdict::Bad && r.of.contains_key("gpu"));
        let mut faults: Vec<Reading> = Vec::new();
        for fault in bad {
            if faults.len() < MOST && !faults.contains(fault) {
                faults.push(fault.clone());
            }
        }
        self.faults = faults;
        readings
    }

    /// Writes the state; one that can't be written is read anew next time.
    pub fn save(&self, folder: &Path) {
        let Ok(bytes) = serde_json::to_vec(self) else { return };
        let _ = fs::create_dir_all(folder);
        let draft = folder.join(format!(".state.{}", std::process::id()));
        let written = fs::File::create(&draft).and_then(|mut file| file.write_all(&bytes));
        let put = written.and_then(|()| fs::rename(&draft, file(folder)));
        if put.is_err() {
            let _ = fs::remove_file(&draft);
        }
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("state.json")
}

/// Whether the driver now says of a fault's GPU that nothing needs to be done.
fn cured(fault: &Reading, readings: &[Reading]) -> bool {
    let same = |reading: &&Reading| reading.name == "recovery_action" && reading.of.get("gpu") == fault.of.get("gpu");
    readings.iter().find(same).is_some_and(|reading| reading.verdict == Verdict::Ok)
}

/// PCI address and index of a GPU.
fn index(reading: &Reading) -> Option<(String, String)> {
    (reading.probe == "gpu").then_some((reading.of.get("gpu")?.clone(), reading.of.get("index")?.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xid(gpu: &str) -> Reading {
        Reading::new("kernel", "xid").of("gpu", gpu).text("79").found(Verdict::Bad, "Xid 79")
    }

    fn advice(gpu: &str, verdict: Verdict) -> Reading {
        Reading::new("gpu", "recovery_action").of("gpu", gpu).of("index", "3").found(verdict, "x")
    }

    #[test]
    fn a_fault_stands_until_the_driver_says_that_nothing_needs_to_be_done() {
        let mut state = State::default();
        let seen = state.take(
            vec![xid("0000:3b:00.0"), Reading::new("gpu", "name").of("gpu", "0000:3b:00.0").of("index", "3")],
            1.0,
        );
        assert_eq!(seen[0].of.get("index").map(String::as_str), Some("3"), "it is told of the GPU that jobs know");
        assert_eq!(state.take(Vec::new(), 1.0).len(), 1, "the next job must know of it");
        assert_eq!(state.take(vec![advice("0000:3b:00.0", Verdict::Bad)], 1.0).len(), 2);
        assert_eq!(state.take(vec![advice("0000:3b:00.0", Verdict::Ok)], 1.0).len(), 1, "cured");
        assert_eq!(state.take(Vec::new(), 1.0), []);
    }

    #[test]
    fn another_boot_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut old = State { boot: "another".to_owned(), last: 99.0, ..State::default() };
        old.take(vec![xid("0000:3b:00.0")], 1.0);
        old.save(folder.path());
        assert_eq!(State::load(folder.path()).last(), 0.0);
    }
}
