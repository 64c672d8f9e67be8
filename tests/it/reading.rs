//! Reading: packed or not, whole or in parts, one file or many: the same diagnosis.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use lzma_rust2::{XzOptions, XzWriter};
use serde_json::{Value, json};

use crate::bad_inputs::{LOG, analyze, gz, report, tar};

fn folder() -> (tempfile::TempDir, impl Fn(&str, &[u8]) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let write = move |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    (folder, write)
}

/// A zip archive of one stored member (PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16).
fn zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    let size = (bytes.len() as u32).to_le_bytes();
    let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    common.extend(crc.sum().to_le_bytes());
    common.extend([size, size].concat());
    common.extend((name.len() as u16).to_le_bytes());
    common.extend([0, 0]);
    let mut out = [b"PK\x03\x04", common.as_slice(), name.as_bytes(), bytes].concat();
    let table = out.len() as u32;
    out.extend([b"PK\x01\x02\x14\0", common.as_slice(), &[0; 14], name.as_bytes()].concat());
    let length = out.len() as u32 - table;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend([length.to_le_bytes(), table.to_le_bytes()].concat());
    out.extend([0, 0]);
    out
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = XzWriter::new(Vec::new(), XzOptions::default()).unwrap();
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn an_input_is_read_however_it_is_packed() {
    let (_folder, write) = folder();
    let log = LOG.as_bytes();
    let archive = tar(&[("/etc/../logs/./rank_3.log", log), ("logs/x.gz", &gz(b"more\n"))]);
    for (name, bytes, sources) in [
        ("plain", log.to_vec(), vec![""]),
        ("named.gz", log.to_vec(), vec![""]),
        ("a.gz", gz(log), vec![""]),
        ("no-name-to-tell", gz(log), vec![""]),
        ("two-parts.gz", [gz(&log[..100]), gz(&log[100..])].concat(), vec![""]),
        ("a.zst", zstd::encode_all(log, 3).unwrap(), vec![""]),
        ("a.xz", xz(log), vec![""]),
        ("a.tar.xz", xz(&archive), vec!["!etc/logs/rank_3.log", "!logs/x.gz"]),
        ("a.tar", archive.clone(), vec!["!etc/logs/rank_3.log", "!logs/x.gz"]),
        ("a.tgz", gz(&archive), vec!["!etc/logs/rank_3.log", "!logs/x.gz"]),
        ("a.tar.zst", zstd::encode_all(archive.as_slice(), 3).unwrap(), vec!["!etc/logs/rank_3.log", "!logs/x.gz"]),
        (
            "nested.tar",
            tar(&[("inner.tar.gz", &gz(&archive))]),
            vec!["!inner.tar.gz!etc/logs/rank_3.log", "!inner.tar.gz!logs/x.gz"],
        ),
        ("a.zip", zip("logs/rank_3.log", log), vec!["!logs/rank_3.log"]),
        ("zip-in.tar", tar(&[("a.zip", &zip("r.log", log))]), vec!["!a.zip!r.log"]),
    ] {
        let path = write(name, &bytes);
        let report = report(&analyze(&[&path]));
        assert_eq!(report["findings"][0]["cause"], "rank-exception", "{name}");
        let cited = &report["findings"][0]["evidence"][0];
        assert_eq!((&cited["line"], &cited["text"]), (&json!(4), &json!("[rank3]: KeyError: 'labels'")), "{name}");
        let read: Vec<&str> =
            report["inputs"].as_array().unwrap().iter().map(|i| i["source"].as_str().unwrap()).collect();
        assert_eq!(read, sources.iter().map(|source| format!("{path}{source}")).collect::<Vec<_>>(), "{name}");
        assert_eq!(report["notes"], json!([]), "{name}");
    }
}

#[test]
fn standard_input_is_read() {
    let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
    diag.args(["analyze", "-", "--format", "json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = diag.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&gz(LOG.as_bytes())).unwrap();
    let report = report(&child.wait_with_output().unwrap());
    assert_eq!(report["inputs"][0]["source"], "-");
    assert_eq!(report["findings"][0]["culprit"]["ranks"], json!([3]));
}

/// Ranks of a job that time out behind one that raised: who wrote a line is told by `of`.
fn job(ranks: usize, of: impl Fn(usize) -> String) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    for step in 0..20 {
        lines.extend((0..ranks).map(|rank| (rank, format!("iteration {step} | lm loss: 2.345"))));
    }
    for line in
        ["Traceback (most recent call last):", "  File \"/workspace/train.py\", line 31, in step", "KeyError: 'labels'"]
    {
        lines.push((2, line.to_owned()));
    }
    for rank in (0..ranks).filter(|rank| *rank != 2) {
        lines.push((rank, format!("[E504 03:22:41.408271257 ProcessGroupNCCL.cpp:629] [Rank {rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=20, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600029 milliseconds before timing out.")));
    }
    lines.into_iter().map(|(rank, line)| (rank, format!("{}{line}\n", of(rank)))).collect()
}

fn verdict(report: &Value) -> Value {
    let first = &report["findings"][0];
    json!([report["outcome"], first["cause"], first["culprit"]["ranks"], first["confidence"]])
}

#[test]
fn one_file_a_rank_tells_what_the_interleaved_log_tells() {
    let (_folder, write) = folder();
    let whole: String = job(8, |rank| format!("[default{rank}]:")).into_iter().map(|(_, line)| line).collect();
    let interleaved = report(&analyze(&[&write("whole.log", whole.as_bytes())]));
    assert_eq!(interleaved["findings"][0]["culprit"]["ranks"], json!([2]));

    type Name = fn(usize) -> String;
    let layouts: [(&str, Name); 3] = [
        ("named", |rank| format!("rank_{rank}.log")),
        ("openmpi", |rank| format!("1/rank.{rank}/stdout")),
        ("torchrun", |rank| format!("none_x7/attempt_0/{rank}/stderr.log")),
    ];
    for (layout, name) in layouts {
        let mut files = vec![String::new(); 8];
        for (rank, line) in job(8, |_| String::new()) {
            files[rank].push_str(&line);
        }
        let mut members = Vec::new();
        for (rank, text) in files.iter().enumerate() {
            write(&format!("{layout}/{}", name(rank)), text.as_bytes());
            members.insert(0, (name(rank), text.as_bytes()));
        }
        let at =
            write(&format!("{layout}.tar"), &tar(&members.iter().map(|(n, t)| (n.as_str(), *t)).collect::<Vec<_>>()));
        for input in [at.trim_end_matches(".tar"), &at] {
            let apart = report(&analyze(&[input]));
            assert_eq!(verdict(&apart), verdict(&interleaved), "{layout} {input}");
        }
    }
}

#[test]
fn long_logs_give_the_steps_of_ranks_and_what_stands_anywhere_in_them() {
    let (_folder, write) = folder();
    let mut text = String::new();
    for step in 0..200_000 {
        text.push_str(&format!(
            "[rank{}]: iteration {step} | lm loss: 2.345 | grad norm: 0.321 | lr: 0.0003\n",
            step % 4
        ));
    }
    text.push_str(LOG);
    let lines = text.lines().count();
    text.push_str(&"[rank1]: some more words of a rank that is torn down\n".repeat(100_000));
    let path = write("long.log", text.as_bytes());
    let report = report(&analyze(&[&path]));
    let cited = &report["findings"][0]["evidence"][0];
    assert_eq!((&cited["line"], &cited["rank"]), (&json!(lines), &json!(3)));
    let steps: Vec<i64> =
        report["timeline"]["lanes"].as_array().unwrap().iter().filter_map(|lane| lane["last_step"].as_i64()).collect();
    assert_eq!(steps, [199_996, 199_997, 199_998, 199_999]);
    assert_eq!(report["inputs"][0]["lines"], json!(text.lines().count()));
    assert_eq!(report["inputs"][0]["bytes"], json!(text.len()));

    // Packed, it comes as a stream; nothing of the answer may depend on it, or on the threads.
    let packed = write("long.log.gz", &gz(text.as_bytes()));
    let again = crate::bad_inputs::report(&analyze(&[&packed]));
    for part in ["timeline", "outcome", "headline"] {
        let same = again[part].to_string().replace("long.log.gz", "long.log");
        assert_eq!(same, report[part].to_string(), "{part}");
    }
}

#[test]
fn a_report_is_written_whole_or_not_at_all() {
    let (folder, write) = folder();
    let log = write("a.log", LOG.as_bytes());
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let target = out.join("report.json");
    fs::write(&target, "old").unwrap();
    let target = target.display().to_string();
    let done = analyze(&[&log, "--output", &target]);
    assert_eq!((done.status.code(), done.stdout.len()), (Some(1), 0));
    assert!(serde_json::from_slice::<Value>(&fs::read(&target).unwrap()).is_ok());
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "no draft is left");

    for bad in ["/no/such/folder/report.json", "/dev/full", &out.display().to_string(), "/"] {
        let done = analyze(&[&log, "--output", bad]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{bad}: {said}");
        assert!(said.contains("[output.unwritable]"), "{bad}: {said}");
    }
}

#[test]
fn a_reader_who_leaves_is_no_error_but_a_full_disk_is() {
    let (_folder, write) = folder();
    let log = write("a.log", LOG.as_bytes());
    let said = |to: &str| {
        let line = format!("'{}' analyze '{log}' --format json {to}; echo $? >&2", env!("CARGO_BIN_EXE_diag"));
        String::from_utf8(Command::new("bash").args(["-c", &line]).output().unwrap().stderr).unwrap()
    };
    assert_eq!(said("| head -c 1 | true").trim(), "0");
    assert!(said("> /dev/full").contains("[output.unwritable]"));
    assert!(said("> /dev/full").ends_with("2\n"));
    assert_eq!(said(">&-").lines().last(), Some("1"), "a closed output is the caller's choice");
}
