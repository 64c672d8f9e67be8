//! Whatever is named as an input: a message with a code and a way on, or the diagnosis of what could be read with a note.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

/// A log with one plain cause.
pub(crate) const LOG: &str = "\
[rank3]: Traceback (most recent call last):
[rank3]:   File \"/workspace/train.py\", line 31, in step
[rank3]:     loss = model(batch['labels'])
[rank3]: KeyError: 'labels'
";

pub(crate) fn analyze(args: &[&str]) -> Output {
    let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
    diag.arg("analyze").args(args).args(["--format", "json"]).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn report(done: &Output) -> serde_json::Value {
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&done.stderr)))
}

pub(crate) fn notes(report: &serde_json::Value) -> Vec<String> {
    report["notes"].as_array().unwrap().iter().map(|note| note["code"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        // Written by hand: the library refuses to make the names that it has to survive.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Text that does not compress, so that a cut falls where it is wanted.
fn noise(bytes: usize) -> String {
    let mut seed: u64 = 9;
    let mut text = String::new();
    while text.len() < bytes {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!("{seed:x}\n"));
    }
    text
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }
}

/// Nothing can be read: exit 2, nothing on stdout, a message with the code and without control characters.
fn refused(input: &str, code: &str) {
    let done = analyze(&[input]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{input}: {said}");
    assert!(said.contains(&format!("[{code}]")), "{input} should be {code}: {said}");
    assert!(done.stdout.is_empty(), "{input}");
    assert!(said.chars().all(|char| char == '\n' || !char.is_control()), "{said:?}");
}

/// The log is read, with a note; an empty code stands for no note.
fn read_with(input: &str, code: &str) {
    let done = analyze(&[input]);
    let report = report(&done);
    assert_eq!(done.status.code(), Some(1), "{input}");
    assert_eq!(report["findings"][0]["cause"], "rank-exception", "{input}: {report}");
    let notes = notes(&report);
    assert!(
        if code.is_empty() { notes.is_empty() } else { notes.iter().any(|note| note == code) },
        "{input}: {notes:?}"
    );
}

#[test]
fn bad_inputs_get_a_message() {
    let at = Folder::new();
    let long = format!("{LOG}{}", noise(300_000));
    let packed = gz(long.as_bytes());
    let archive = tar(&[("a.log", LOG.as_bytes()), ("b.log", noise(100_000).as_bytes())]);
    let cut = |bytes: &[u8]| bytes[..bytes.len() * 2 / 3].to_vec();
    let join = |parts: &[&[u8]]| parts.concat();
    let xz = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01";

    for (name, bytes, code) in [
        ("empty.log", Vec::new(), "input.empty"),
        ("nuls.log", vec![0; 200_000], "input.nuls"),
        ("core", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0".to_vec(), "input.binary"),
        ("noise", (0..9999_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(), "input.binary"),
        ("system.journal", b"LPKSHHRH\0\0\0\0\x01\0\0\0".to_vec(), "input.journal"),
        ("log.bz2", b"BZh91AY&SY\x01\x02\x03\x04\x05\x06\x07".to_vec(), "input.packed"),
        ("empty.gz", gz(b""), "input.empty"),
        ("header.gz", packed[..12].to_vec(), "input.truncated"),
        ("garbage.gz", join(&[&packed[..10], &[0xff; 200]]), "input.damaged"),
        ("header.xz", xz.to_vec(), "input.truncated"),
        ("cut.zip", b"PK\x03\x04\x14\0\0\0\x08\0\x01\x02\x03".to_vec(), "input.truncated"),
        ("again.gz", (0..9).fold(LOG.as_bytes().to_vec(), |inner, _| gz(&inner)), "input.nested"),
        ("esc\x1b[2J.log", Vec::new(), "input.empty"),
    ] {
        refused(&at.file(name, bytes), code);
    }

    for (name, bytes, code) in [
        ("plain.log", LOG.into(), ""),
        ("latin1.log", join(&[LOG.as_bytes(), b"Ger\xe4t\n"]), ""),
        ("half.log", join(&[LOG.as_bytes(), "서".as_bytes().split_last().unwrap().1]), "input.cut"),
        ("hole.log", join(&[LOG.as_bytes(), &[0; 5000], b"more\n"]), "input.nuls"),
        ("sparse.log", join(&[&[0; 300_000], LOG.as_bytes()]), "input.nuls"),
        ("wide.log", join(&[b"\xff\xfe", &utf16(LOG)]), ""),
        ("mixed.log", join(&[b"plain text before it, and after it\n", &utf16(LOG), b"plain text\n"]), "input.mixed"),
        ("cut.gz", cut(&packed), "input.truncated"),
        ("damaged.gz", join(&[&packed[..packed.len() - 8], &[0xff; 8]]), "input.damaged"),
        ("cut.zst", cut(&zstd::encode_all(long.as_bytes(), 3).unwrap()), "input.truncated"),
        ("cut.tar", cut(&archive), "input.truncated"),
        ("cut.tar.gz", cut(&gz(&archive)), "input.truncated"),
        ("long.log", join(&[LOG.as_bytes(), &[b'x'; 12 << 20]]), "input.long_line"),
    ] {
        read_with(&at.file(name, bytes), code);
    }
}

#[test]
fn what_is_no_file_is_never_waited_for() {
    let at = Folder::new();
    symlink("nowhere", at.path("dangling")).unwrap();
    symlink("loop", at.path("loop")).unwrap();
    let _socket = UnixListener::bind(at.path("socket")).unwrap();
    let bare = at.path("bare");
    fs::create_dir(&bare).unwrap();
    let name = |name: &str| at.path(name).display().to_string();

    for (input, code) in [
        (name("missing.log"), "input.missing"),
        (name("*.missing"), "input.missing"),
        (name("dangling"), "input.missing"),
        (name("loop"), "input.unreadable"),
        (name("socket"), "input.socket"),
        (name("bare"), "input.none"),
        ("/dev/zero".to_owned(), "input.device"),
        ("/proc/self/mem".to_owned(), "input.unreadable"),
        ("-".to_owned(), "input.empty"),
        (String::new(), "input.missing"),
    ] {
        refused(&input, code);
    }
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_pipe_is_read_where_somebody_writes() {
    let at = Folder::new();
    let path = at.path("pipe");
    fifo(&path);
    let began = Instant::now();
    refused(&path.display().to_string(), "input.fifo");
    assert!(began.elapsed() < Duration::from_secs(60));

    let writer = std::thread::spawn({
        let path = path.clone();
        move || File::options().write(true).open(path).unwrap().write_all(LOG.as_bytes()).unwrap()
    });
    read_with(&path.display().to_string(), "");
    writer.join().unwrap();
}

#[test]
fn what_can_be_read_is_diagnosed_beside_what_can_not() {
    let at = Folder::new();
    let log = at.file("run/a.log", LOG);
    at.file("run/core", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0");
    at.file("run/.hidden", LOG);
    fifo(&at.path("run/pipe"));
    symlink(".", at.path("run/self")).unwrap();
    for number in 0..9 {
        at.file(&format!("run/empty{number}"), "");
    }
    let folder = at.path("run").display().to_string();
    let report = report(&analyze(&[&folder, &log, "/no/such/file"]));
    assert_eq!(report["inputs"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["findings"][0]["cause"], "rank-exception");
    let mut notes = notes(&report);
    assert_eq!(notes.iter().filter(|note| *note == "input.empty").count(), 3, "nine alike are told in three");
    notes.sort();
    notes.dedup();
    let codes = ["binary", "empty", "fifo", "hidden", "missing", "repeated"].map(|code| format!("input.{code}"));
    assert_eq!(notes, codes);
}

#[test]
fn a_file_that_grows_is_read_up_to_its_first_size() {
    let at = Folder::new();
    let path = at.file("growing.log", format!("{LOG}{}", noise(30 << 20)));
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut file = File::options().append(true).open(path).unwrap();
            while stopped.recv_timeout(Duration::from_millis(1)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                file.write_all(b"another line\n").unwrap();
            }
        }
    });
    read_with(&path, "input.grew");
    drop(stop);
    writer.join().unwrap();
}

#[test]
fn a_folder_of_ten_thousand_files_is_read_in_order() {
    let at = Folder::new();
    for number in 0..10_000 {
        at.file(&format!("many/rank{number}.log"), "nothing to see\n");
    }
    at.file("many/rank77.log", LOG);
    let report = report(&analyze(&[&at.path("many").display().to_string()]));
    let inputs = report["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 10_000);
    for (number, input) in inputs.iter().enumerate() {
        assert!(input["source"].as_str().unwrap().ends_with(&format!("/rank{number}.log")), "{input}");
    }
    assert_eq!(report["findings"][0]["culprit"]["ranks"], serde_json::json!([3]));
}
