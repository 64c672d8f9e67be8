//! Local file systems: space, inodes, whether they can be written, the size of shared memory.

use std::time::Duration;

use nix::sys::statvfs::{FsFlags, statvfs};

use super::expected::Expected;
use super::mounts::{Mount, mounts};
use super::node::Node;
use super::task::{Out, Probe};
use crate::reading::{Reading, Unit, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "disks",
    about: "local file systems: space, inodes, read-only, size of shared memory",
    deadline: Duration::from_secs(2),
    subjects,
    read,
};

/// Share of a file system below which programs begin to fail.
const LEAST_FREE: f64 = 0.03;

/// Bytes that are enough, however small their share.
const ENOUGH: u64 = 20 << 30;

/// Least size of `/dev/shm` where nobody says what is expected: what NCCL's user guide (2.27, *Docker*) gives containers.
const LEAST_SHM: u64 = 1 << 30;

fn subjects(node: &Node) -> Vec<String> {
    if !node.is_here() {
        return Vec::new();
    }
    let local = |mount: &Mount| mount.is_disk() || mount.is_room_in_memory();
    mounts(node).into_iter().filter(local).map(|mount| mount.at).collect()
}

#[allow(clippy::cast_precision_loss, reason = "shares")]
fn read(node: &Node, subject: &str, expected: &Expected, out: Out) {
    let about = |name: &str| Reading::new("disks", name).of("mount", subject);
    let stat = match statvfs(&node.path(subject)) {
        Ok(stat) => stat,
        // Another mount hides it.
        Err(nix::errno::Errno::ENOENT) => return,
        Err(error) => return out(about("free").found(Verdict::Unknown, format!("it does not tell: {error}"))),
    };
    let size = stat.blocks() * stat.fragment_size();
    let free = stat.blocks_available() * stat.fragment_size();
    if subject == "/dev/shm" {
        let reading = about("shm.size").count(size, Unit::Bytes);
        let wanted = expected.shm.unwrap_or(LEAST_SHM);
        out(reading.expect(format!(">= {wanted}")).judge(size >= wanted, Verdict::Degraded, || {
            format!("shared memory is {} MiB, {} are expected", size >> 20, wanted >> 20)
        }));
    }
    let share = free as f64 / size.max(1) as f64;
    let name = if subject == "/dev/shm" { "shm.free" } else { "free" };
    out(about(name).count(free, Unit::Bytes).judge(share >= LEAST_FREE || free >= ENOUGH, Verdict::Degraded, || {
        format!("{subject} is {:.0} % full: {} MiB are left", (1.0 - share) * 100.0, free >> 20)
    }));
    if stat.files() > 0 {
        let share = stat.files_available() as f64 / stat.files() as f64;
        out(about("inodes.free")
            .number(share, Unit::Ratio)
            .judge(share >= LEAST_FREE, Verdict::Degraded, || format!("{subject} has hardly any inodes left")));
    }
    let mount = mounts(node).into_iter().find(|mount| mount.at == subject);
    let meant = mount.is_some_and(|mount| mount.read_only_by_choice());
    let read_only = stat.flags().contains(FsFlags::ST_RDONLY);
    out(about("read_only").flag(read_only).judge(!read_only || meant, Verdict::Bad, || {
        format!("{subject} can't be written: after an error of its disk the kernel makes it read-only")
    }));
}
