//! How kernel and driver are set up, to be compared with a golden profile: nothing of it is good or bad by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::reading::{Reading, Rule, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "config",
    about: "kernel, boot parameters, sysctl, modules and driver parameters, against the golden profile",
    deadline: Duration::from_secs(2),
    subjects: whole,
    read,
};

/// Files below `/proc/sys` that change how fast or how reliably GPUs, memory and networks work.
const SYSCTLS: [&str; 24] = [
    "fs/file-max",
    "fs/nr_open",
    "kernel/numa_balancing",
    "kernel/panic_on_oops",
    "kernel/pid_max",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/yama/ptrace_scope",
    "net/core/netdev_max_backlog",
    "net/core/rmem_max",
    "net/core/somaxconn",
    "net/core/wmem_max",
    "net/ipv4/conf/all/arp_announce",
    "net/ipv4/conf/all/arp_ignore",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/neigh/default/gc_thresh3",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "vm/max_map_count",
    "vm/nr_hugepages",
    "vm/overcommit_memory",
    "vm/swappiness",
    "vm/zone_reclaim_mode",
];

/// Modules whose version is told, where they are loaded.
const MODULES: [&str; 14] = [
    "amdgpu",
    "bnxt_re",
    "efa",
    "gdrdrv",
    "ib_core",
    "irdma",
    "knem",
    "lustre",
    "mlx5_core",
    "mlx5_ib",
    "nvidia",
    "nvidia_fs",
    "nvidia_peermem",
    "xpmem",
];

/// Words of the boot parameters that differ from node to node by their nature.
const OF_ONE_NODE: [&str; 9] =
    ["BOOT_IMAGE=", "initrd=", "root=", "ip=", "BOOTIF=", "resume=", "rd.luks", "netroot=", "systemd.machine_id="];

/// Most parameters of the driver that are told.
const MOST: usize = 128;

fn read(node: &Node, _: &str, expected: &Expected, out: Out) {
    let mut told = BTreeSet::new();
    for (name, of, value) in settings(node) {
        let key = key(name, of.as_ref().map(|(_, which)| which.as_str()));
        let reading = Reading::new("config", name).text(&value);
        let reading = of.into_iter().fold(reading, |reading, (what, which)| reading.of(what, which));
        out(match expected.config.get(&key) {
            Some(wanted) => against(reading, name, &value, wanted),
            None => reading,
        });
        told.insert(key);
    }
    for (key, wanted) in expected.config.iter().filter(|(key, _)| !told.contains(*key)) {
        let (name, which) = key.split_once(':').unwrap_or((key, ""));
        let name = ["sysctl", "module", "driver", "kernel", "cmdline"].into_iter().find(|known| *known == name);
        let Some(name) = name else { continue };
        let reading = Reading::new("config", name).of("setting", which).expect(wanted);
        out(reading.judge_by(Rule::Profile, false, Verdict::Degraded, || {
            format!("{which} is not there; the profile says {wanted}")
        }));
    }
}

/// How a setting is called in a profile: `sysctl:vm/swappiness`, `kernel`.
pub(super) fn key(name: &str, which: Option<&str>) -> String {
    which.map_or_else(|| name.to_owned(), |which| format!("{name}:{which}"))
}

/// A setting: its kind, which one, and its value.
type Setting = (&'static str, Option<(&'static str, String)>, String);

fn settings(node: &Node) -> Vec<Setting> {
    let mut all: Vec<Setting> = Vec::new();
    if let Some(release) = node.word("/proc/sys/kernel/osrelease") {
        all.push(("kernel", None, release));
    }
    if let Some(line) = node.word("/proc/cmdline") {
        all.push(("cmdline", None, shared(&line)));
    }
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for name in SYSCTLS {
        if let Some(value) = node.word(&format!("/proc/sys/{name}")) {
            all.push(("sysctl", Some(("setting", name.to_owned())), words(value)));
        }
    }
    let chosen = [
        ("transparent_hugepage", "/sys/kernel/mm/transparent_hugepage/enabled"),
        ("scaling_governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    ];
    for (name, file) in chosen {
        if let Some(value) = node.word(file) {
            all.push(("sysctl", Some(("setting", name.to_owned())), bracketed(&value).to_owned()));
        }
    }
    for name in MODULES.into_iter().filter(|name| node.has(&format!("/sys/module/{name}"))) {
        let version = node.word(&format!("/sys/module/{name}/version")).unwrap_or_else(|| "loaded".to_owned());
        all.push(("module", Some(("setting", name.to_owned())), version));
    }
    let parameters = node.text("/proc/driver/nvidia/params").unwrap_or_default();
    for (name, value) in parameters.lines().filter_map(|line| line.split_once(':')).take(MOST) {
        all.push(("driver", Some(("setting", name.trim().to_owned())), value.trim().to_owned()));
    }
    all
}

/// The boot parameters that nodes share, in the order of the alphabet: their own order means nothing.
fn shared(line: &str) -> String {
    let own = |word: &&str| OF_ONE_NODE.iter().any(|start| word.starts_with(start));
    let words: BTreeSet<&str> = line.split_whitespace().filter(|word| !own(word)).collect();
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// `always [madvise] never` chooses the word in brackets.
fn bracketed(text: &str) -> &str {
    text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(text, |(word, _)| word)
}

fn against(reading: Reading, name: &str, value: &str, wanted: &str) -> Reading {
    let differs = || match name {
        "cmdline" => difference(value, wanted),
        _ => format!("{value}; the profile says {wanted}"),
    };
    reading.expect(wanted).judge_by(Rule::Profile, value == wanted, Verdict::Degraded, differs)
}

/// Which words are lacking, and which are too many.
fn difference(value: &str, wanted: &str) -> String {
    let (has, wants): (BTreeSet<&str>, BTreeSet<&str>) = (value.split(' ').collect(), wanted.split(' ').collect());
    let list = |words: Vec<&str>| if words.is_empty() { "none".to_owned() } else { words.join(" ") };
    let (lacks, more) = (wants.difference(&has).copied().collect(), has.difference(&wants).copied().collect());
    format!("boot parameters lack: {}; beyond the profile: {}", list(lacks), list(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_node_is_left_out() {
        assert_eq!(shared("BOOT_IMAGE=/vmlinuz root=UUID=1 ro quiet iommu=pt"), "iommu=pt quiet ro");
        assert_eq!(bracketed("always [madvise] never"), "madvise");
    }

    #[test]
    fn words_are_compared_and_not_lines() {
        assert_eq!(difference("iommu=pt ro", "quiet ro"), "boot parameters lack: quiet; beyond the profile: iommu=pt");
    }
}
