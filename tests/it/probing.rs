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
        ("init = 9", "- driver cannot-run"),
        ("init = 4", "- driver cannot-run"),
    ];
    for (faults, wanted) in table {
        let found: Vec<String> = troubles(&Gpus::with(faults).readings()).into_iter().collect();
        assert_eq!(found.join("; "), wanted, "with {faults}");
    }
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
}
