//! Log text is hostile: no bytes make a reader panic or dawdle.
//!
//! A short, seeded run of the fuzz targets on a stable toolchain: samples of all formats, mutated for a few seconds. A
//! failure prints the seed; `DIAG_HOSTILE_SEED` runs it again, `DIAG_HOSTILE_SECONDS` runs it longer.
#![allow(clippy::disallowed_methods, reason = "reads the format files, the environment and the clock")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use diag_parsers::FormatFile;

#[path = "../fuzz/targets.rs"]
mod targets;

/// A target and its name.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 6] = [
    ("scan", targets::scan),
    ("peel", targets::peel),
    ("stamp", targets::stamp),
    ("fields", targets::fields),
    ("grammars", targets::grammars),
    ("records", targets::records),
];

/// Pieces that readers trip over: escapes, half a character, huge numbers, marks of records and prefixes.
const PIECES: [&[u8]; 22] = [
    b"\n",
    b"\r",
    b"\0",
    b"\t",
    b"\x1b[31m",
    b"\x1b[",
    b"\xff\xfe",
    b"\xe2\x82",
    "€".as_bytes(),
    b"-",
    b":",
    b"99999999999999999999",
    b"-9223372036854775808",
    b"0x",
    b"[rank",
    b"[",
    b"]",
    b"<",
    b"0-4294967295",
    b"2026-13-45T99:99:99.",
    b"Traceback (most recent call last):\n",
    b"  File \"",
];

/// Documents and tables that are read as a whole.
const DUMPS: [&[u8]; 10] = [
    include_bytes!("../../sample-logs/rank-straggler/flight-recorder-one-absent/logs/fr_0"),
    include_bytes!("../../sample-logs/collective-mismatch/flight-recorder-one-skipped/logs/fr_1.json"),
    include_bytes!("../../sample-logs/healthy/nvidia-smi-of-one-h200/logs/smi.xml"),
    include_bytes!("../../sample-logs/gpu-throttled/power-brake-on-one-of-eight/logs/session.log"),
    include_bytes!("../../sample-logs/gpu-ecc-uncorrectable/remapping-fails-on-one-of-eight/logs/session.log"),
    include_bytes!("../../sample-logs/gpu-nvlink-error/three-links-of-one-gpu-inactive/logs/session.log"),
    include_bytes!("../../sample-logs/ib-retry-exceeded/port-in-polling/logs/session.log"),
    br#"[{"pid":4121,"thread_name":"MainThread","owns_gil":false,"frames":[{"name":"main","filename":"train.py","line":7}],"process_info":{"command_line":"python train.py --rank 3"}}]"#,
    br#"{"header":{"id":"0x7f01","rank":1,"n_ranks":3},"metadata":{"inspector_output_format_version":"v4.0","hostname":"gpu-18","pid":4121},"coll_perf":{"coll":"AllReduce","coll_sn":1,"coll_msg_size_bytes":1048576,"coll_exec_time_us":900,"coll_busbw_gbs":2.25}}"#,
    br#"{"nccl_version":"2.28.9","timestamp":"2026-11-26 12:00:00","communicators":[{"hash":"0x1","size":2,"ranks":[{"rank":0,"host":"10.0.4.17","pid":4121,"cuda_dev":0,"collective_counts":{"AllReduce":7}},{"rank":1,"host":"10.0.4.18","pid":4121,"cuda_dev":0,"collective_counts":{"AllReduce":6}}]}]}"#,
];

/// Marsaglia's xorshift64*: enough to mutate, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as usize
    }

    fn below(&mut self, most: usize) -> usize {
        self.next() % most.max(1)
    }
}

/// The sample lines of all formats.
fn samples() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let Ok(text) = std::fs::read_to_string(entry.unwrap().path().join("format.toml")) else { continue };
        let file: FormatFile = toml::from_str(&text).unwrap();
        for event in file.event.values() {
            all.extend(event.sample.iter().chain(&event.unlike).map(|sample| sample.line.clone().into_bytes()));
        }
    }
    // A quarter of them: documents that are read as a whole.
    for dump in DUMPS.iter().cycle().take(all.len() / 3) {
        all.push(dump.to_vec());
    }
    all.sort();
    assert!(all.len() > 100, "the formats have samples");
    all
}

fn mutate(samples: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = samples[random.below(samples.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(data.len() + 1);
        match random.below(7) {
            0 if at < data.len() => data[at] ^= 1 << random.below(8),
            1 => data.truncate(at),
            2 => drop(data.drain(at..(at + random.below(9)).min(data.len()))),
            3 => drop(data.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            4 => {
                let other = &samples[random.below(samples.len())];
                let from = random.below(other.len() + 1);
                data.splice(at..at, other[from..].iter().copied());
            }
            5 => {
                let end = (at + random.below(24)).min(data.len());
                let part = data[at..end].repeat(random.below(40));
                data.splice(at..at, part);
            }
            _ => {
                data.push(b'\n');
                data.extend_from_slice(&samples[random.below(samples.len())]);
            }
        }
        data.truncate(1 << 16);
    }
    data
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let samples = samples();
    let seed = setting("DIAG_HOSTILE_SEED", 0x9E37_79B9_7F4A_7C15);
    let time = Duration::from_millis(setting("DIAG_HOSTILE_SECONDS", 4) * 1000 / TARGETS.len() as u64);
    for (name, target) in TARGETS {
        let mut random = Random(seed | 1);
        let (begin, mut runs) = (Instant::now(), 0_u32);
        while begin.elapsed() < time || runs < 200 {
            let data = mutate(&samples, &mut random);
            let outcome = std::panic::catch_unwind(|| target(&data));
            assert!(outcome.is_ok(), "{name}: seed {seed}, run {runs}: {:?}", String::from_utf8_lossy(&data));
            runs += 1;
        }
    }
}

/// Lines of one megabyte: what a reader may take a multiple of time for.
fn long_lines(bytes: usize) -> Vec<(&'static str, Vec<u8>)> {
    let fill = |piece: &[u8]| piece.repeat(bytes / piece.len());
    vec![
        ("digits", fill(b"1")),
        ("brackets", fill(b"[")),
        ("escapes", fill(b"\x1b[")),
        ("words", fill(b"NCCL WARN Connect to ")),
        ("errors", fill(b"Error: ")),
        ("returns", fill(b"step 1 loss 2.5\r")),
        ("frames", fill(b"  File \"x\", line 1, in f ")),
        ("ranks", fill(b"[rank1]: ")),
        ("bytes", fill(&[0xff])),
    ]
}

/// What this thread has had of a processor: a busy machine does not count.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn time_grows_with_the_line_and_no_faster() {
    targets::scan(b"the regexes are compiled before the clock runs: NCCL WARN Error: step 1 loss");
    for ((name, small), (_, large)) in long_lines(1 << 17).into_iter().zip(long_lines(1 << 20)) {
        for (target, run) in TARGETS {
            let clock = |data: &[u8]| {
                let begin = on_cpu();
                run(data);
                on_cpu() - begin
            };
            let (short, long) = (clock(&small).max(Duration::from_millis(4)), clock(&large));
            // Eight times the bytes: eight times the time, and as much again for cold caches.
            assert!(long < short * 40, "{target} on a line of {name}: {short:?} for 128 KiB, {long:?} for 1 MiB");
        }
    }
}
