//! A node is read as it is: GPUs through a stand-in for NVML whose faults we choose, files from trees we write.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Builds the stand-in for NVML once; its path.
pub(crate) fn fake_nvml() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = env!("CARGO");
        let done = Command::new(cargo).args(["build", "--quiet", "-p", "fake-nvml"]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let library = Path::new(env!("CARGO_BIN_EXE_diag")).with_file_name("libfake_nvml.so");
        assert!(library.is_file(), "{} was not built", library.display());
        library
    })
}

/// A node with eight GPUs that have these faults.
struct Gpus {
    folder: tempfile::TempDir,
}

impl Gpus {
    fn with(faults: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("faults"), faults).unwrap();
        Self { folder }
    }

    fn probe(&self, args: &[&str]) -> Output {
        let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
        diag.arg("probe").args(args).stdin(Stdio::null());
        diag.env("DIAG_NVML", fake_nvml()).env("FAKE_NVML", self.folder.path().join("faults")).output().unwrap()
    }

    fn readings(&self) -> Vec<serde_json::Value> {
        look(&self.probe(&["gpu", "--format", "json"]))["readings"].as_array().unwrap().clone()
    }
}

fn look(done: &Output) -> serde_json::Value {
    serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

fn text<'a>(reading: &'a serde_json::Value, key: &str) -> &'a str {
    reading[key].as_str().unwrap_or("")
}

/// `index name verdict` of what is not ok.
fn troubles(readings: &[serde_json::Value]) -> BTreeSet<String> {
    let bad = readings.iter().filter(|reading| text(reading, "verdict") != "ok");
    bad.map(|r| format!("{} {} {}", r["of"]["index"].as_str().unwrap_or("-"), text(r, "name"), text(r, "verdict")))
        .collect()
}

#[test]
fn faults_of_gpus_are_told_and_healthy_ones_are_not() {
    let table = [
        ("count = 8", ""),
        ("3.lost = 1", "3 answers bad"),
        ("2.dram = 1", "2 ecc.dram.uncorrected.volatile bad"),
        ("2.sram = 1", "2 ecc.sram.uncorrected.volatile bad"),
        ("2.remap_pending = 1", "2 remap.pending degraded"),
        ("2.remap_failed = 1", "2 remap.failed bad"),
        ("5.links = 17", "5 nvlink.active bad"),
        ("6.recovery = 1", "6 recovery_action bad"),
        ("6.recovery = 4", "6 recovery_action bad"),
        ("7.fabric = 2", "7 fabric bad"),
        ("7.fabric_status = 999", "7 fabric bad"),
        ("1.throttle = 64", "1 throttle degraded"),
        ("1.throttle = 128", "1 throttle degraded"),
        // Idle, and the power cap at work: both are normal.
        ("1.throttle = 5", ""),
        ("0.temperature = 86", "0 temperature degraded"),
        ("0.width = 8", "0 pcie.width degraded"),
        ("0.generation = 3", "0 pcie.generation degraded"),
        // An idle GPU lowers its speed.
        ("0.generation = 1\n0.pstate = 8", ""),
        ("4.used = 9000000000", "4 memory.used degraded"),
        ("4.used = 9000000000\n4.pid = 4711", ""),
        ("4.mig_pending = 1", "4 mig degraded"),
        ("4.compute_mode = 2", "4 compute_mode bad"),
        ("4.power_limit = 500000", "4 power.limit degraded"),
        ("4.memory = 42949672960", "4 memory.total degraded"),
        ("2.mig = 1\n2.slices = 3", ""),
        ("2.mig = 1", "2 mig.slices degraded"),
        ("init = 9", "- driver cannot-run"),
        ("init = 4", "- driver cannot-run"),
    ];
    for (faults, wanted) in table {
        let found: Vec<String> = troubles(&Gpus::with(faults).readings()).into_iter().collect();
        assert_eq!(found.join("; "), wanted, "with {faults}");
    }
}

#[test]
fn sixteen_gpus_slices_and_other_domains_are_told_apart() {
    let readings = Gpus::with("count = 16\n15.dram = 1\ndomain = 9\n2.mig = 1\n2.slices = 3").readings();
    assert_eq!(troubles(&readings), BTreeSet::from(["15 ecc.dram.uncorrected.volatile bad".to_owned()]));
    let gpus: BTreeSet<&str> = readings.iter().filter_map(|reading| reading["of"]["gpu"].as_str()).collect();
    assert_eq!(gpus.len(), 16);
    assert!(gpus.contains("0009:1b:00.0"), "{gpus:?}");
    let slices: BTreeSet<&str> = readings.iter().filter_map(|reading| reading["of"]["slice"].as_str()).collect();
    assert_eq!(slices.len(), 3);
    assert!(slices.iter().all(|slice| slice.starts_with("MIG-")), "{slices:?}");
}

#[test]
fn a_verdict_says_by_which_rule_it_was_given() {
    let rule = |faults: &str, name: &str| {
        let readings = Gpus::with(faults).readings();
        let found = readings.iter().find(|reading| text(reading, "name") == name && text(reading, "verdict") != "ok");
        text(found.unwrap(), "rule").to_owned()
    };
    assert_eq!(rule("0.width = 8", "pcie.width"), "maximum");
    assert_eq!(rule("5.links = 17", "nvlink.active"), "peers");
    assert_eq!(rule("2.dram = 1", "ecc.dram.uncorrected.volatile"), "", "a fixed bound");
}

#[test]
fn a_gpu_that_hangs_is_unknown_and_holds_nobody() {
    let began = Instant::now();
    let node = Gpus::with("3.hang = 1");
    let readings = node.readings();
    assert!(began.elapsed() < Duration::from_secs(15), "held for {:?}", began.elapsed());
    assert_eq!(troubles(&readings), BTreeSet::from(["- run unknown".to_owned()]));
    let told: BTreeSet<&str> = readings.iter().filter_map(|reading| reading["of"]["index"].as_str()).collect();
    assert_eq!(told, BTreeSet::from(["0", "1", "2"]), "what was read before it hung is kept");
    let began = Instant::now();
    let done = node.probe(&["--deadline", "0.5"]);
    assert!(began.elapsed() < Duration::from_secs(3), "the time that all may take is kept: {:?}", began.elapsed());
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn a_golden_profile_is_recorded_and_compared_with() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("h100.toml");
    let profile = profile.to_str().unwrap();
    assert!(Gpus::with("").probe(&["--record", profile]).status.code().is_some_and(|code| code < 2));
    assert!(fs::read_to_string(profile).unwrap().contains("gpus = 8"));
    let against = |faults: &str| {
        troubles(
            look(&Gpus::with(faults).probe(&["gpu", "--against", profile, "--format", "json"]))["readings"]
                .as_array()
                .unwrap(),
        )
    };
    assert_eq!(against(""), BTreeSet::new());
    assert_eq!(against("count = 7"), BTreeSet::from(["- count bad".to_owned()]));
    let kept = fs::read_to_string(profile).unwrap();
    assert!(kept.contains("sysctl:vm/swappiness"), "{kept}");
    let other = kept.replace("\"sysctl:vm/swappiness\" = \"", "\"sysctl:vm/swappiness\" = \"1");
    fs::write(profile, other).unwrap();
    let done = Gpus::with("").probe(&["config", "--against", profile, "--format", "json"]);
    let config = look(&done)["readings"].as_array().unwrap().clone();
    let differ: Vec<_> = config.iter().filter(|reading| text(reading, "verdict") != "ok").collect();
    assert_eq!(differ.len(), 1, "{differ:?}");
    assert_eq!((text(differ[0], "name"), text(differ[0], "rule")), ("sysctl", "profile"));
    fs::write(profile, kept).unwrap();
    let all_short = (0..8).map(|index| format!("{index}.links = 12\n")).collect::<String>();
    assert_eq!(against(&all_short).len(), 8, "all alike, but not as the profile says");
    fs::write(profile, "gpus = \"eight\"\n").unwrap();
    let done = Gpus::with("").probe(&["--against", profile]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("profile.invalid"));
}

#[test]
fn metrics_name_each_series_once() {
    let done = Gpus::with("3.lost = 1").probe(&["--format", "prometheus"]);
    let text = String::from_utf8(done.stdout).unwrap();
    let series: Vec<&str> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    assert_eq!(series.len(), series.iter().collect::<BTreeSet<_>>().len());
    assert!(text.contains("diag_gpu_temperature_celsius{gpu=\"0000:1b:00.0\",index=\"0\""), "{text}");
    assert!(text.contains("diag_reading_verdict{reading=\"gpu.answers\",index=\"3\"} 4"), "{text}");
}

/// Writes files below a root.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let file = root.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    root
}

#[test]
fn a_captured_tree_is_read_like_a_node() {
    const GPU: &str = "sys/bus/pci/devices/0000:3b:00.0";
    const PORT: &str = "sys/class/infiniband/mlx5_0/ports/1";
    let root = tree(&[
        ("proc/sys/kernel/hostname", "gpu-17\n"),
        ("proc/meminfo", "MemTotal: 2000000 kB\nMemAvailable: 10000 kB\nHugePages_Total: 0\n"),
        (&format!("{GPU}/class"), "0x030200\n"),
        (&format!("{GPU}/vendor"), "0x10de\n"),
        (&format!("{GPU}/current_link_width"), "8\n"),
        (&format!("{GPU}/max_link_width"), "16\n"),
        (&format!("{GPU}/aer_dev_fatal"), "DLP 0\nSDES 1\nTOTAL_ERR_FATAL 1\n"),
        (&format!("{PORT}/state"), "1: DOWN\n"),
        (&format!("{PORT}/phys_state"), "2: Polling\n"),
    ]);
    let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
    let done = diag.args(["probe", "--format", "json", "--root"]).arg(root.path()).output().unwrap();
    let look = look(&done);
    assert_eq!((text(&look, "node"), text(&look, "verdict")), ("gpu-17", "bad"));
    let troubles = troubles(look["readings"].as_array().unwrap());
    for wanted in ["width degraded", "errors.fatal bad", "state degraded", "available degraded"] {
        assert!(troubles.iter().any(|trouble| trouble.ends_with(wanted)), "{wanted} in {troubles:?}");
    }
}

#[test]
fn a_tree_with_nothing_in_it_is_neither_ok_nor_bad() {
    let root = tempfile::tempdir().unwrap();
    let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
    let done = diag.args(["probe", "--format", "json", "--root"]).arg(root.path()).output().unwrap();
    assert_eq!(text(&look(&done), "verdict"), "cannot-run");
    assert_eq!(done.status.code(), Some(1), "nothing known is not health");
}

fn probe_tree(root: &Path, args: &[&str]) -> Vec<serde_json::Value> {
    let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
    let done = diag.arg("probe").args(args).args(["--format", "json", "--root"]).arg(root).output().unwrap();
    look(&done)["readings"].as_array().unwrap().clone()
}

/// `name of: value verdict`.
fn told(readings: &[serde_json::Value], name: &str) -> Vec<String> {
    let named = readings.iter().filter(|reading| text(reading, "name") == name);
    named.map(|r| format!("{} {}", r["value"].to_string().trim_matches('"'), text(r, "verdict"))).collect()
}

#[test]
fn hosts_are_read_beyond_their_gpus() {
    const PORT: &str = "sys/class/infiniband/mlx5_0/ports/1";
    let group = "sys/fs/cgroup/system.slice/slurmd.service";
    let root = tree(&[
        (
            "proc/meminfo",
            "MemTotal: 1000000 kB\nMemAvailable: 300000 kB\nHugePages_Total: 300\nHugePages_Free: 300\nHugepagesize: 2048 kB\n",
        ),
        ("proc/4121/comm", "slurmd\n"),
        ("proc/4121/cgroup", "0::/system.slice/slurmd.service\n"),
        ("proc/4121/limits", "Max locked memory         65536                65536                bytes\n"),
        (&format!("{group}/pids.max"), "4915\n"),
        (&format!("{group}/memory.max"), "max\n"),
        (&format!("{group}/cpuset.cpus.effective"), "0-31\n"),
        ("sys/devices/system/cpu/online", "0-63\n"),
        ("proc/modules", "nvidia 1 2 - Live 0x0\nib_core 1 2 - Live 0x0\n"),
        ("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15\n"),
        ("proc/sys/kernel/osrelease", "6.8.0-60-generic\n"),
        (&format!("{PORT}/state"), "4: ACTIVE\n"),
        (&format!("{PORT}/link_layer"), "Ethernet\n"),
        (&format!("{PORT}/gids/0"), "fe80:0000:0000:0000:0e42:a1ff:fe12:3456\n"),
        (&format!("{PORT}/gids/1"), "0000:0000:0000:0000:0000:0000:0000:0000\n"),
        (&format!("{PORT}/gid_attrs/types/0"), "IB/RoCE v1\n"),
        (&format!("{PORT}/gid_attrs/ndevs/0"), "eth2\n"),
        (
            "var/log/smartctl/nvme0n1.json",
            r#"{"smart_status":{"passed":false},"nvme_smart_health_information_log":{"percentage_used":104,"media_errors":2,"available_spare":80,"available_spare_threshold":10}}"#,
        ),
        (
            "var/log/dmesg",
            "[    9.000001] mlx5_core 0000:5e:00.0 eth2: Link down\n[   10.000001] {1}[Hardware Error]: event severity: fatal\n",
        ),
    ]);
    let readings = probe_tree(root.path(), &[]);
    for (name, wanted) in [
        ("hugepages.reserved", "629145600.0 degraded"),
        ("pids", "4915.0 degraded"),
        ("cpus", "32.0 degraded"),
        ("memlock", "65536 bad"),
        ("peermem", "none degraded"),
        ("gid", "fe80:0000:0000:0000:0e42:a1ff:fe12:3456 IB/RoCE v1 eth2 ok"),
        ("addresses", "1.0 degraded"),
        ("health", "false bad"),
        ("wear", "1.04 degraded"),
        ("media_errors", "2.0 degraded"),
        ("link_flaps", "1.0 degraded"),
        ("machine_check", "1.0 bad"),
    ] {
        assert_eq!(told(&readings, name), [wanted], "{name}");
    }
    let open = "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  570.86.15\n";
    fs::write(root.path().join("proc/driver/nvidia/version"), open).unwrap();
    assert_eq!(told(&probe_tree(root.path(), &["services"]), "peermem"), ["dma-buf ok"]);
}

#[test]
fn what_is_lacking_or_damaged_is_told_and_nothing_falls() {
    let files =
        ["proc/meminfo", "proc/modules", "proc/sysvipc/shm", "proc/self/mountinfo", "proc/4121/comm", "var/log/dmesg"];
    let garbage = "\u{0}\u{1b}[2J 18446744073709551616 -1 9999999999999999999999 : - = \n\n";
    let root = tree(&files.map(|file| (file, garbage)));
    fs::create_dir_all(root.path().join("sys/class/infiniband/x/ports/y")).unwrap();
    fs::create_dir_all(root.path().join("sys/bus/pci/devices/z")).unwrap();
    fs::create_dir_all(root.path().join("proc/meminfo2")).unwrap();
    let readings = probe_tree(root.path(), &[]);
    assert!(!readings.is_empty());
    assert!(readings.iter().all(|reading| text(reading, "name") != "run"), "no probe fell: {readings:?}");
    fs::remove_file(root.path().join("proc/meminfo")).unwrap();
    assert_eq!(told(&probe_tree(root.path(), &["memory"]), "total"), ["null cannot-run"]);
}

#[test]
fn a_second_look_tells_what_rose() {
    const PORT: &str = "sys/class/infiniband/mlx5_0/ports/1";
    let downed = format!("{PORT}/counters/link_downed");
    let root = tree(&[(&format!("{PORT}/state"), "4: ACTIVE\n"), (&downed, "3\n"), ("proc/uptime", "1000.00 1.00\n")]);
    let out = root.path().join("out.json");
    let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
    let diag = diag.args(["probe", "fabric", "--format", "json", "--watch", "0.2", "--root"]).arg(root.path());
    let mut child = diag.arg("--output").arg(&out).stdin(Stdio::null()).spawn().unwrap();
    let until = |what: &str, holds: &dyn Fn(&str) -> bool| {
        let ends = Instant::now() + Duration::from_secs(20);
        while !holds(&fs::read_to_string(&out).unwrap_or_default()) {
            assert!(Instant::now() < ends, "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("a first look", &|text| text.contains("link_downed"));
    fs::write(root.path().join(&downed), "5\n").unwrap();
    fs::write(root.path().join("proc/uptime"), "1060.00 1.00\n").unwrap();
    until("a second look", &|text| text.contains("its link went down 2 times in 60 s"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn who_is_not_root_is_told_what_can_not_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let diag = folder.path().join("diag");
    crate::install_diag(&diag);
    let mut command = Command::new(&diag);
    if nix::unistd::geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
    }
    let done = command.args(["probe", "--format", "json"]).current_dir("/").output().unwrap();
    let look = look(&done);
    let cannot: Vec<&str> = look["readings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| text(r, "verdict") == "cannot-run")
        .map(|r| text(r, "why"))
        .collect();
    assert!(cannot.iter().all(|why| !why.is_empty()), "{cannot:?}");
    // Where the kernel lets anybody read its log, there is one thing less to tell.
    let restricted = fs::read_to_string("/proc/sys/kernel/dmesg_restrict").is_ok_and(|text| text.trim() != "0");
    assert!(!restricted || cannot.iter().any(|why| why.contains("kernel's log can't be read")), "{cannot:?}");
}
