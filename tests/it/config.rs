//! `diag.toml`: which files count, what their values do, and that hostile ones do nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// A person with a home and a working folder.
struct Person {
    home: tempfile::TempDir,
    folder: tempfile::TempDir,
}

impl Person {
    fn new() -> Self {
        let person = Self { home: tempfile::tempdir().unwrap(), folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(person.home.path().join(".config/diag")).unwrap();
        person
    }

    fn own(&self, text: &str) {
        put(&self.home.path().join(".config/diag/diag.toml"), text);
    }

    fn here(&self, text: &str) {
        put(&self.folder.path().join("diag.toml"), text);
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_diag"))
            .args(args)
            .current_dir(self.folder.path())
            .env("HOME", self.home.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("DIAG_CONFIG")
            .env_remove("DIAG_POLICY")
            .output()
            .unwrap()
    }

    fn told(&self, args: &[&str]) -> (i32, String, String) {
        let done = self.run(args);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    }
}

fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// The example with everything that is commented out taken in.
fn example() -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/diag.toml")).unwrap();
    let setting = |line: &str| {
        let inner = line.strip_prefix("# ")?;
        let (key, _) = inner.split_once(" = ").map(|(key, rest)| (key.trim_end(), rest))?;
        key.chars().all(|c| c.is_ascii_lowercase() || c == '_').then(|| inner.to_owned())
    };
    text.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_example_explains_each_setting_and_is_taken() {
    let person = Person::new();
    let (code, text, _) = person.told(&["config", "example"]);
    person.own(&text);
    assert_eq!((code, person.told(&["config", "check"]).0), (0, 0), "as it is");
    person.own(
        &example().replace("/etc/diag/policy.toml", concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/policy.toml")),
    );
    let (code, told, _) = person.told(&["config", "check"]);
    assert_eq!(code, 0, "{told}");
    let shown = person.told(&["config", "show"]).1;
    for key in [
        "inventory.nodes",
        "inventory.switches",
        "inventory.types.h100.gpus",
        "inventory.types.h100.rails",
        "transport.via",
        "transport.at_once",
        "transport.ssh_config",
        "transport.partition",
        "transport.reservation",
        "transport.account",
        "tools.diag",
        "policy.file",
        "policy.state",
        "library.playbooks",
        "library.formats",
        "expect.exact.probe.gpu.driver",
        "inventory.bmc.gpu-[001-128]",
        "bmc.user",
        "bmc.password_file",
        "watch.at_once",
        "watch.logs",
        "watch.records",
        "notify.deadline",
        "notify.hooks.ops.url",
        "notify.hooks.ops.secret_file",
        "notify.hooks.ops.only",
        "serve.listen",
        "serve.token_file",
        "serve.cases",
        "serve.logs",
        "serve.max_body",
        "serve.body_seconds",
        "serve.deadline",
        "serve.jobs",
        "serve.queue",
        "serve.keep",
        "serve.keep_hours",
    ] {
        assert!(shown.contains(&format!("{key} = ")), "{key} is not explained: {shown}");
    }
}

#[test]
fn what_is_wrong_with_watching_and_telling_is_said_with_its_line() {
    let person = Person::new();
    for (text, line, why) in [
        ("[watch]\nat_once = 0\n", 2, "not within"),
        ("[watch]\nstates = [\"FAILD\"]\n", 2, "none of"),
        ("[watch]\nlogs = [\"x.log\"]\n", 2, "no whole path"),
        ("[notify.hooks.\"a.b\"]\nform = \"slak\"\n", 2, "none of json"),
        ("[notify.hooks.a]\n\nurl = \"ftp://secret-token@x/\"\n", 3, "wants http"),
        ("[inventory.bmc]\n\"gpu-1\" = \"admin:password@bmc\"\n", 2, "no set of hosts"),
    ] {
        person.own(text);
        let (code, told, _) = person.told(&["config", "check"]);
        assert_eq!(code, 1, "{text}: {told}");
        assert!(told.contains(&format!("diag.toml:{line}")) && told.contains(why), "{text}: {told}");
        assert!(!told.contains("secret-token"), "{told}");
    }
}

#[test]
fn values_are_defaults_that_whatever_is_typed_comes_before() {
    let person = Person::new();
    person.own("[transport]\nvia = \"slurm\"\n");
    person.here("[transport]\nvia = \"local\"\n");
    let dry = |args: &[&str]| person.told(&[&["test", "tcp-pair", "--nodes", "gpu-[1-2]", "--dry-run"], args].concat());
    let (code, by_file, _) = dry(&[]);
    assert_eq!(code, 0);
    let (_, typed, _) = dry(&["--via", "ssh"]);
    assert_ne!(by_file, typed, "the working folder's file says that this machine plays the nodes");
    assert_eq!(by_file, dry(&["--via", "local"]).1);
    let (_, shown, _) = person.told(&["config", "show"]);
    assert!(shown.contains("transport.via = \"local\"  # diag.toml:2"), "{shown}");
    let named = person.folder.path().join("other.toml");
    put(&named, "[transport]\nvia = \"ssh\"\n");
    let named = ["--config", named.to_str().unwrap(), "test", "tcp-pair", "--nodes", "gpu-[1-2]", "--dry-run"];
    assert_eq!(person.told(&named).1, typed, "a file that is named is the only one");
}

#[test]
fn the_policy_that_is_set_is_obeyed_by_tests_too() {
    let person = Person::new();
    let built_in = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/policy.toml")).unwrap();
    // A site at which nothing may be tested: no example of ours would hold, so it brings one of its own.
    let rules = built_in.split("[[rule]]").next().unwrap().to_owned()
        + "[[rule]]\nid = \"no\"\nwhen = {}\nthen = \"forbid\"\nwhy = \"the site says no\"\n\
           [[example]]\nname = \"a test\"\nrisk = \"load\"\ngives = \"forbid\"\nby = \"no\"\n";
    put(&person.home.path().join(".config/diag/strict.toml"), &rules);
    person.own("[policy]\nfile = \"strict.toml\"\n");
    let (code, told, said) = person.told(&["test", "shm", "--nodes", "gpu-1", "--via", "local", "--yes", "--on-busy"]);
    assert_eq!(code, 2, "{told}{said}");
    let name = said.contains("test.unknown");
    assert!(!name && said.contains("the site says no"), "{said}");
}

#[test]
fn mistakes_are_told_with_file_and_line_and_hooks_run_all_the_same() {
    let person = Person::new();
    person.here("[transport]\nvai = \"ssh\"\n");
    for args in [&["config", "check"][..], &["analyze", "."], &["probe", "clock"]] {
        let (code, out, err) = person.told(args);
        let told = out + &err;
        assert!(
            code != 0 && told.contains("diag.toml:2:1") && told.contains("did you mean `via`?"),
            "{args:?}: {told}"
        );
    }
    assert!(person.told(&["--help"]).1.contains("Usage"), "help is there whatever a file says");
    let hook = person.told(&["hook", "install", "slurm"]);
    assert_eq!(hook.0, 0, "{}", hook.2);
    assert!(person.told(&["--config", "none", "explain", "xid", "79"]).1.contains("79"));
}

#[test]
fn hostile_values_are_refused_as_the_options_refuse_them() {
    let person = Person::new();
    for (key, value) in [("via", "telnet"), ("at_once", "0"), ("at_once", "70000")] {
        let quoted = if key == "via" { format!("{value:?}") } else { value.to_owned() };
        person.own(&format!("[transport]\n{key} = {quoted}\n"));
        let (code, out, _) = person.told(&["config", "check"]);
        assert!(code == 1 && out.contains("diag.toml:2") && out.contains(value), "{key}: {out}");
        let (code, _, err) = person.told(&["test", "tcp-pair", "--nodes", "gpu-[1-2]", "--dry-run"]);
        assert!(code == 2 && err.contains("diag.toml:2"), "{key}: {err}");
    }
    person.own("[transport]\npartition = \"\\u001b[2Jx\"\n");
    let shown = person.told(&["config", "show"]).1;
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn a_file_of_somebody_else_or_that_others_can_write_is_not_read() {
    let person = Person::new();
    person.here("[transport]\nvia = \"local\"\n");
    let path = person.folder.path().join("diag.toml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let (code, shown, said) = person.told(&["config", "show"]);
    assert!(
        code == 0 && shown.starts_with("nothing is set") && said.contains("others may write to it"),
        "{shown}{said}"
    );
    assert_eq!(person.told(&["config", "check"]).0, 1);
    person.here("[tools]\ndiag = \"./evil\"\n[policy]\nfile = \"mine.toml\"\n");
    let (_, shown, said) = person.told(&["config", "show"]);
    assert!(shown.starts_with("nothing is set") && said.matches("merely lies").count() == 2, "{shown}{said}");
}

#[test]
fn a_look_at_a_node_expects_what_is_set() {
    let person = Person::new();
    let root = person.folder.path().join("root");
    std::fs::create_dir_all(root.join("proc/sys/kernel")).unwrap();
    std::fs::write(root.join("proc/sys/kernel/hostname"), "gpu-03\n").unwrap();
    std::fs::write(root.join("proc/meminfo"), "MemTotal: 1048576 kB\nMemAvailable: 1000000 kB\n").unwrap();
    let look = || person.told(&["probe", "memory", "--root", "root", "--format", "json"]).1;
    let verdict = |text: &str| {
        let look: serde_json::Value = serde_json::from_str(text).unwrap();
        let readings = look["readings"].as_array().unwrap().clone();
        let total = readings.into_iter().find(|reading| reading["name"] == "total").unwrap();
        total["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict(&look()), "ok");
    person.here("[expect]\nmemory = 2_000_000_000\n");
    assert_eq!(verdict(&look()), "bad");
}

/// A note of a site as hostile as can be.
const NOTE: &str = "# Our cluster\nCall Ana before 08:00 \u{1b}[2J<script>alert(1)</script> ``` @ops\n";

#[test]
fn notes_of_the_site_are_told_where_they_are_asked_for_and_act_on_nothing() {
    let person = Person::new();
    std::fs::write(person.folder.path().join("job.log"), "step 10 loss 1.0\n").unwrap();
    let note = person.folder.path().join("DIAG.md");
    put(&note, &(NOTE.to_owned() + &"more\n".repeat(100_000)));
    let unasked = person.told(&["analyze", "job.log"]).1;
    assert!(!unasked.contains("Ana"), "{unasked}");
    for format in ["text", "markdown", "html", "json"] {
        let told = person.told(&["analyze", "job.log", "--site-notes", "--format", format]).1;
        assert!(told.contains("Ana") && told.len() < 64 << 10, "{format}: {}", told.len());
        assert!(!told.contains('\u{1b}') && (format == "json" || !told.contains("\n```\n@")), "{format}: {told}");
        assert!(format != "html" || !told.contains("<script>"), "{told}");
    }
    std::fs::set_permissions(&note, std::fs::Permissions::from_mode(0o666)).unwrap();
    let (_, told, said) = person.told(&["analyze", "job.log", "--site-notes"]);
    assert!(!told.contains("Ana") && said.contains("others may write"), "{told}{said}");
}

/// Where a node's power is turned off and on: what the site says, or nowhere.
#[test]
fn a_controller_is_named_by_the_site_alone() {
    let person = Person::new();
    let look = r#"{"schema":"diag.nodes/1","verdict":"unknown","nodes":[{"node":"gpu-17","verdict":"unknown","why":"unreachable: ssh: connect to host gpu-17 port 22: No route to host"}]}"#;
    put(&person.folder.path().join("nodes.json"), look);
    put(&person.folder.path().join("job.log"), "srun: error: Node failure on gpu-17\n");
    let step = |more: &[&str]| {
        let words = ["plan", "nodes.json", "job.log", "--format", "json", "--policy"];
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/policy.toml");
        let plans: serde_json::Value =
            serde_json::from_str(&person.told(&[&words[..], &[policy], more].concat()).1).unwrap();
        let steps = plans["plans"][0]["plan"]["steps"].as_array().or(plans["plans"][0]["steps"].as_array()).unwrap();
        steps.iter().find(|step| step["id"] == "fix-power-cycle").cloned().unwrap()
    };
    let env = |step: &serde_json::Value| step["tasks"][0]["groups"][0]["parts"][0]["work"]["env"].clone();
    let none = step(&[]);
    assert!(none["cannot"][0].as_str().unwrap().contains("[inventory.bmc]") && env(&none).is_null(), "{none}");

    // A file that merely lies there sends nobody's password anywhere.
    let settings = |bmc: &str| {
        format!("[inventory.bmc]\n\"gpu-[01-32]\" = \"{bmc}\"\n[bmc]\nuser = \"ops\"\npassword_file = \"secret\"\n")
    };
    person.here(&settings("evil.example"));
    assert!(!step(&[])["cannot"].as_array().unwrap().is_empty());
    person.own(&settings("{node}-bmc"));
    let own = env(&step(&[]));
    let file = person.home.path().join(".config/diag/secret").display().to_string();
    assert_eq!([&own["DIAG_BMC"], &own["DIAG_USER"], &own["DIAG_PASSWORD_FILE"]], ["gpu-17-bmc", "ops", &file]);
    // Nor does an answer.
    for set in ["bmc=evil.example", "power-cycle.bmc=evil.example", "power-cycle.user=eve"] {
        assert_eq!(env(&step(&["--set", set])), own, "{set}");
    }
    for hostile in ["$(id)", "a;b", "-H", "a b"] {
        person.own(&settings(hostile));
        assert_eq!(person.told(&["config", "check"]).0, 1, "{hostile}");
    }
}
