//! The program in a real terminal, which is one of tmux: keys go in, and what stands on the screen comes out.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use diag::case::{Journal, pages};
use serde_json::Value;

use crate::executors::stage::{all_gone, odd_sleep, processes_with};
use crate::fixing::{HELPS, Stage};

const OOM: &str = "sample-logs/host-oom/one-node-with-its-kernel-log/logs";

/// A terminal of 80 columns and 24 rows in which a command runs.
struct Terminal(tempfile::TempDir);

impl Terminal {
    fn on(command: &str) -> Self {
        let terminal = Self(tempfile::tempdir().unwrap());
        terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "24", command]);
        terminal
    }

    /// The program on words, as a shell runs it: what was there before is there afterwards, with the exit code.
    fn diag(words: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_diag");
        Self::after(&format!("cd {}; {program} {words}", env!("CARGO_MANIFEST_DIR")))
    }

    fn after(command: &str) -> Self {
        Self::on(&format!("echo BEFORE; {command}; echo CODE=$?; stty -a; sleep 600"))
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.0.path().join("tmux")).args(["-u", "-f", "/dev/null"]).args(words);
        command.env("LANG", "C.UTF-8").env_remove("LC_ALL").env_remove("NO_COLOR").env_remove("TMUX");
        let done = command.output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"][..], keys].concat());
    }

    #[track_caller]
    fn shows(&self, what: &str) {
        self.shows_within(what, Duration::from_secs(60));
    }

    /// The shell has the terminal and waits for a line.
    #[track_caller]
    fn asks(&self, prompt: &str) {
        let ends = Instant::now() + Duration::from_secs(60);
        while self.text().trim_end().lines().last().map(str::trim) != Some(prompt) {
            assert!(Instant::now() < ends, "no {prompt:?} at the end of\n{}", self.text());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    #[track_caller]
    fn shows_within(&self, what: &str, patience: Duration) {
        let ends = Instant::now() + patience;
        while !self.text().contains(what) {
            assert!(Instant::now() < ends, "no {what:?} in\n{}", self.text());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// The terminal is as it was before: what stood on it, its cursor, its modes.
    #[track_caller]
    fn is_given_back(&self, code: u8) {
        self.shows(&format!("CODE={code}"));
        self.shows(" icanon");
        let text = self.text();
        assert!(text.contains("BEFORE") && text.contains(" echo "), "{text}");
        assert!(!text.contains("8 Hand-over"), "{text}");
        assert_eq!(self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]).trim(), "0 1");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(self.0.path().join("tmux")).arg("kill-server").output();
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    for (words, place) in [(&["triage", OOM][..], "standard input"), (&["triage", "-"], "keyboard")] {
        let done =
            Command::new(env!("CARGO_BIN_EXE_diag")).args(words).stdin(std::process::Stdio::null()).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(place) && said.contains("diag ") && done.stdout.is_empty(), "{said}");
    }
}

#[test]
#[ignore = "needs tmux"]
fn terminal_a_session_is_led_by_keys_and_leaves_all_as_it_was() {
    let terminal = Terminal::diag(&format!("triage {OOM}"));
    terminal.shows("[1 Overview]");
    terminal.shows("CONFIRMED  The host ran out of memory: node gpu-18");
    terminal.press(&["2"]);
    terminal.shows("rank 0 gpu-17");
    terminal.press(&["4", "Enter"]);
    terminal.shows(">   4");
    terminal.press(&["5", "?"]);
    terminal.shows("Ctrl-Z to the shell");
    terminal.press(&["Escape", "7", "8"]);
    terminal.shows("## CONFIRMED");
    terminal.press(&["q"]);
    terminal.is_given_back(1);
}

#[test]
#[ignore = "needs tmux"]
fn terminal_its_size_is_followed() {
    let terminal = Terminal::diag(&format!("triage {OOM}"));
    terminal.shows("[1 Overview]");
    terminal.tmux(&["resize-window", "-x", "60", "-y", "15"]);
    terminal.shows("needs 80x24");
    terminal.tmux(&["resize-window", "-x", "100", "-y", "40"]);
    terminal.shows("[1 Overview]");
    terminal.press(&["C-c"]);
    terminal.is_given_back(1);
}

#[test]
#[ignore = "needs tmux"]
fn terminal_a_signal_ends_it_in_good_order() {
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid").display().to_string();
        let program = env!("CARGO_BIN_EXE_diag");
        let run = format!("cd {}; sh -c 'echo $$ > {pid}; exec {program} triage {OOM}'", env!("CARGO_MANIFEST_DIR"));
        let terminal = Terminal::after(&run);
        terminal.shows("[1 Overview]");
        let pid = fs::read_to_string(&pid).unwrap();
        assert!(Command::new("kill").args([&format!("-{signal}"), pid.trim()]).status().unwrap().success());
        terminal.is_given_back(code);
    }
}

#[test]
#[ignore = "needs tmux"]
fn terminal_one_can_go_to_the_shell_and_come_back() {
    let terminal = Terminal::on("PS1='shell> ' sh -i");
    let run = format!("cd {}; {} triage {OOM}", env!("CARGO_MANIFEST_DIR"), env!("CARGO_BIN_EXE_diag"));
    terminal.press(&[&run, "Enter"]);
    terminal.shows("[1 Overview]");
    for _ in 0..2 {
        terminal.press(&["2", "C-z"]);
        terminal.shows("Stopped");
        assert_eq!(terminal.tmux(&["display-message", "-p", "#{alternate_on}"]).trim(), "0");
        terminal.press(&["fg", "Enter"]);
        terminal.shows("[2 Timeline]");
    }
    terminal.press(&["q"]);
    // What is typed before the shell asks again is read by whoever has the terminal then.
    terminal.asks("shell>");
    terminal.press(&["echo CODE=$?; stty -a", "Enter"]);
    terminal.shows("CODE=1");
    terminal.shows(" icanon");
}

/// The program of a stage on words, as a line for a shell.
fn line(stage: &Stage, words: &[&str]) -> String {
    let command = stage.diag(words);
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap());
    let mut line = format!("cd {};", quoted(command.get_current_dir().unwrap().as_os_str()));
    for (name, value) in command.get_envs() {
        line += &match value {
            Some(value) => format!(" export {}={};", name.to_str().unwrap(), quoted(value)),
            None => format!(" unset {};", name.to_str().unwrap()),
        };
    }
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    line + &words.map(|word| format!(" {}", quoted(word))).collect::<String>()
}

/// What stands in a journal, without what differs from run to run: times, outputs, the folder of the stage.
fn entries(stage: &Stage) -> Vec<Value> {
    let lines = pages(&stage.at("case")).unwrap().unwrap().lines;
    let folder = stage.at("").display().to_string();
    let plain = |line: diag::case::Line| {
        let mut what: Value = serde_json::from_str(&line.what.to_string().replace(&folder, "FOLDER/")).unwrap();
        for (place, name) in [("/consent", "until"), ("/consent", "digest"), ("", "digest")] {
            what.pointer_mut(place).and_then(Value::as_object_mut).and_then(|object| object.remove(name));
        }
        for ran in what.pointer_mut("/ran").and_then(Value::as_array_mut).into_iter().flatten() {
            ran.as_object_mut().unwrap().remove("took");
        }
        what
    };
    lines.into_iter().map(plain).collect()
}

/// A yes, and a no, given on the screen come to what they come to when they are typed to `diag fix`: the same is run, and the
/// same stands in the journal.
#[test]
#[ignore = "needs tmux"]
fn terminal_a_yes_or_no_on_the_screen_is_one_to_diag_fix() {
    for (key, word, ran, end) in [("y", "yes", &["mend-widget"][..], "FIXED"), ("n", "no", &[], "BY HAND")] {
        let fix = Stage::new(&[("widget", HELPS)]);
        let terminal = Terminal::after(&line(&fix, &["fix", "logs", "--case", "case"]));
        terminal.shows("Do it? (yes/no)");
        terminal.press(&[word, "Enter"]);
        terminal.shows("CODE=");
        assert_eq!(fix.ran(), ran);

        let stage = Stage::new(&[("widget", HELPS)]);
        let terminal = Terminal::after(&line(&stage, &["triage", "logs", "--case", "case"]));
        terminal.shows("[1 Overview]");
        terminal.press(&["5", "r"]);
        terminal.shows("Run the plan?");
        terminal.press(&["y"]);
        terminal.shows("Do it?  fix-mend");
        // It is shown what it does, and one may look around first.
        terminal.shows("widget-mend");
        terminal.press(&["Tab", "7"]);
        terminal.shows("begins ask-scheduler");
        terminal.press(&["a", key]);
        terminal.press(&["6"]);
        terminal.shows("END  ");
        terminal.shows(end);
        terminal.press(&["q"]);
        terminal.shows("CODE=1");
        assert_eq!(stage.ran(), ran);
        stage.replays();
        assert_eq!(entries(&stage), entries(&fix), "{key}");
        assert!(fs::read_to_string(stage.at("case/handover.md")).unwrap().contains(end));
    }
}

#[test]
#[ignore = "needs tmux"]
fn terminal_what_runs_can_be_stopped_with_all_that_it_started() {
    let sleeps = format!("sleep {}", odd_sleep(7));
    let stage = Stage::new(&[("widget", &format!("echo slowly; {sleeps} & {sleeps}"))]);
    let words = ["triage", "logs", "--case", "case", "--approve", "reversible"];
    let terminal = Terminal::after(&line(&stage, &words));
    terminal.shows("[1 Overview]");
    terminal.press(&["5", "r"]);
    terminal.shows("Run the plan?");
    terminal.press(&["y"]);
    terminal.shows("slowly");
    assert!(!processes_with(&sleeps).is_empty(), "it runs");
    terminal.press(&["c"]);
    terminal.shows("Stop it?");
    terminal.press(&["y"]);
    terminal.shows_within("END  INCONCLUSIVE", Duration::from_secs(30));
    terminal.shows("INCONCLUSIVE: it was stopped");
    all_gone(&sleeps);
    // To leave while something runs stops it as well.
    terminal.press(&["q"]);
    terminal.is_given_back(1);
    stage.replays();
}

#[test]
#[ignore = "needs tmux"]
fn terminal_where_another_diag_works_it_only_looks() {
    let stage = Stage::new(&[("widget", HELPS)]);
    stage.run(&["fix", "logs", "--case", "case"]);
    let (journal, _) = Journal::open(&stage.at("case")).unwrap();
    let terminal = Terminal::after(&line(&stage, &["triage", "case"]));
    terminal.shows("READ ONLY");
    terminal.press(&["5", "r"]);
    terminal.shows("read only: another diag works on this case");
    drop(journal);
    terminal.press(&["7"]);
    let ends = Instant::now() + Duration::from_secs(20);
    while terminal.text().contains("READ ONLY") {
        assert!(Instant::now() < ends, "{}", terminal.text());
        std::thread::sleep(Duration::from_millis(50));
    }
    terminal.press(&["5", "r", "y"]);
    terminal.shows("Do it?  fix-mend");
    terminal.press(&["Escape"]);
    terminal.shows("NEEDS A YES");
    terminal.press(&["q"]);
    terminal.is_given_back(1);
}
