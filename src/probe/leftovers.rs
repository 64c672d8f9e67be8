//! What dead jobs left behind: shared memory that nobody uses, processes that can't end.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::reading::{Reading, Unit, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "leftovers",
    about: "shared memory that nobody uses, processes that can't end",
    deadline: Duration::from_secs(2),
    subjects: whole,
    read,
};

/// Shared memory of users without a process from which it is told as a fault, in bytes.
const MUCH: u64 = 1 << 30;

/// First user id of people (login.defs, `UID_MIN`).
const FIRST_USER: u32 = 1000;

fn read(node: &Node, _: &str, _: &Expected, out: Out) {
    if node.processes().next().is_none() {
        return out(Reading::new("leftovers", "processes").found(Verdict::CannotRun, "no processes are shown here"));
    }
    let (users, stuck) = processes(node);
    let (files, held) = shared_files(node, &users);
    out(Reading::new("leftovers", "shm.files").count(files, Unit::None));
    out(Reading::new("leftovers", "shm.bytes").count(held, Unit::Bytes).judge(held < MUCH, Verdict::Degraded, || {
        format!("{files} files in /dev/shm hold {} MiB for users who run nothing here", held >> 20)
    }));
    let (segments, held) = segments(node, &users);
    out(Reading::new("leftovers", "sysv.bytes").count(held, Unit::Bytes).judge(held < MUCH, Verdict::Degraded, || {
        format!("{segments} System V segments hold {} MiB for users who run nothing here", held >> 20)
    }));
    let count = stuck.len() as u64;
    let reading = Reading::new("leftovers", "uninterruptible").count(count, Unit::None);
    // A process that waits for a disk for a moment looks the same: only its number is told.
    out(if stuck.is_empty() { reading } else { reading.of("names", stuck.into_iter().collect::<Vec<_>>().join(",")) });
}

/// Users with a process, and names of processes that wait in the kernel and can't be killed.
///
/// Only `status` is read: what needs a process's memory map may hang with it.
fn processes(node: &Node) -> (BTreeSet<u32>, BTreeSet<String>) {
    let mut users = BTreeSet::new();
    let mut stuck = BTreeSet::new();
    for pid in node.processes() {
        let Ok(status) = node.text(&format!("/proc/{pid}/status")) else { continue };
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let Some(uid) = field("Uid:").and_then(|ids| ids.split_whitespace().next()?.parse().ok()) {
            users.insert(uid);
        }
        // Kernel threads wait like that by trade; they have no memory of their own.
        let of_a_program = field("VmSize:").is_some();
        if of_a_program && field("State:").is_some_and(|state| state.starts_with('D')) {
            stuck.extend(field("Name:").map(str::to_owned));
        }
    }
    (users, stuck)
}

/// How many files of users without a process lie in `/dev/shm`, and their bytes.
fn shared_files(node: &Node, users: &BTreeSet<u32>) -> (u64, u64) {
    let (mut files, mut held) = (0, 0);
    for name in node.list("/dev/shm") {
        let Ok(about) = fs::symlink_metadata(node.path(&format!("/dev/shm/{name}"))) else { continue };
        if about.is_file() && about.uid() >= FIRST_USER && !users.contains(&about.uid()) {
            files += 1;
            held += about.blocks() * 512;
        }
    }
    (files, held)
}

/// The same of System V segments: columns 4 (bytes), 7 (attached) and 8 (owner) of `/proc/sysvipc/shm`.
fn segments(node: &Node, users: &BTreeSet<u32>) -> (u64, u64) {
    let text = node.text("/proc/sysvipc/shm").unwrap_or_default();
    let (mut count, mut held) = (0, 0);
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let at = |nth: usize| columns.get(nth).and_then(|word| word.parse::<u64>().ok());
        let (Some(size), Some(0), Some(owner)) = (at(3), at(6), at(7)) else { continue };
        let owner = u32::try_from(owner).unwrap_or(0);
        if owner >= FIRST_USER && !users.contains(&owner) {
            count += 1;
            held += size;
        }
    }
    (count, held)
}
