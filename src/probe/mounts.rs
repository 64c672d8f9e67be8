//! File systems of the network: whether they answer, and whether those expected are there.

use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe};
use crate::reading::{Reading, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "mounts",
    about: "file systems of the network: whether they answer",
    deadline: Duration::from_secs(2),
    subjects,
    read,
};

/// A line of `/proc/self/mountinfo` (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where it is mounted.
    pub(super) at: String,
    kind: String,
    mount_options: String,
    super_options: String,
}

impl Mount {
    /// Whether it is of the network: it may hang when it is asked.
    fn is_remote(&self) -> bool {
        ["nfs", "nfs4", "lustre", "beegfs", "gpfs", "ceph", "cifs", "smb3", "9p", "afs", "panfs", "wekafs"]
            .contains(&self.kind.as_str())
            || (self.kind.starts_with("fuse.") && self.kind != "fuse.lxcfs")
    }

    /// Whether it lies on a disk of the node.
    pub(super) fn is_disk(&self) -> bool {
        ["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs"].contains(&self.kind.as_str())
    }

    /// Whether it is room for files in memory: shared memory, `/tmp`, the scratch space of a node without disks. What the
    /// system keeps for itself (`/run`, `/sys`) is none.
    pub(super) fn is_room_in_memory(&self) -> bool {
        let own = ["/run", "/sys", "/proc", "/dev"];
        self.kind == "tmpfs"
            && (self.at == "/dev/shm" || !own.iter().any(|at| self.at == *at || self.at.starts_with(&format!("{at}/"))))
    }

    /// Whether only this mount is read-only: by somebody's choice, and not because the file system was stopped. Memory has
    /// no disk whose error could stop it.
    pub(super) fn read_only_by_choice(&self) -> bool {
        let says = |options: &str| options.split(',').any(|option| option == "ro");
        self.kind == "tmpfs" || (says(&self.mount_options) && !says(&self.super_options))
    }
}

/// All mounts, each place once: the last one hides those below.
pub(super) fn mounts(node: &Node) -> Vec<Mount> {
    let text = node.text("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts: Vec<Mount> = Vec::new();
    for mount in text.lines().filter_map(parse) {
        mounts.retain(|earlier| earlier.at != mount.at);
        mounts.push(mount);
    }
    mounts
}

fn parse(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let at = unescaped(left.nth(4)?);
    let mount_options = left.next()?.to_owned();
    let mut right = right.split(' ');
    let kind = right.next()?.to_owned();
    let super_options = right.nth(1).unwrap_or("").to_owned();
    Some(Mount { at, kind, mount_options, super_options })
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescaped(text: &str) -> String {
    let octal = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    octal.iter().fold(text.to_owned(), |text, (code, character)| text.replace(code, character))
}

fn subjects(node: &Node) -> Vec<String> {
    let mut subjects = vec![String::new()];
    if node.is_here() {
        subjects.extend(mounts(node).into_iter().filter(Mount::is_remote).map(|mount| mount.at));
    }
    subjects
}

fn read(node: &Node, subject: &str, expected: &Expected, out: Out) {
    if subject.is_empty() {
        let there = mounts(node);
        for wanted in &expected.mounts {
            let mounted = there.iter().any(|mount| mount.at == *wanted);
            let reading = Reading::new("mounts", "mounted").of("mount", wanted).flag(mounted).expect("true");
            out(reading.judge(mounted, Verdict::Bad, || format!("{wanted} is not mounted")));
        }
        return;
    }
    let reading = Reading::new("mounts", "answers").of("mount", subject);
    out(match statvfs(&node.path(subject)) {
        Ok(_) => reading.flag(true),
        Err(error) => reading.flag(false).found(Verdict::Bad, format!("{subject} answers: {error}")),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_taken_apart() {
        let line = "36 35 98:0 /mnt1 /data\\040set ro,noatime master:1 - nfs4 nas:/export rw,hard";
        let mount = parse(line).unwrap();
        assert_eq!((mount.at.as_str(), mount.kind.as_str()), ("/data set", "nfs4"));
        assert!(mount.is_remote() && !mount.is_disk() && mount.read_only_by_choice());
    }
}
