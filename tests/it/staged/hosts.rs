//! A cluster of namespaced hosts with a real sshd, slurmd and network each: `tests/cluster/hosts.sh`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/hosts.sh");
const JOB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/ring.py");
pub(super) const DIAG: &str = env!("CARGO_BIN_EXE_diag");

/// Who logs in to management controllers, and by which password.
const USER: &str = "operator";
pub(super) const PASSWORD: &str = "secret-of-bmcs";

/// How many hosts there are.
pub(super) const HOSTS: usize = 8;

/// A cluster; torn down when it goes.
pub(super) struct Hosts {
    folder: tempfile::TempDir,
}

/// The name of a host by its number, from 1.
pub(super) fn name(host: usize) -> String {
    format!("gpu-{host:03}")
}

/// Both streams of what ended.
pub(super) fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

impl Hosts {
    pub(super) fn up() -> Result<Self, String> {
        // Not below /tmp: what runs in the sandbox has one of its own.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
        let hosts = Self { folder };
        hosts.script(&["up"], &[&HOSTS.to_string()])?;
        Ok(hosts)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the script, and gives what it prints.
    fn script(&self, verb: &[&str], args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(SCRIPT);
        command.args(verb).arg(self.folder.path()).args(args).stdin(Stdio::null());
        let done = command.output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        if done.status.success() { Ok(text) } else { Err(format!("hosts.sh {verb:?} {args:?}: {}", said(&done))) }
    }

    pub(super) fn fault(&self, host: &str, what: &str) -> Result<String, String> {
        self.script(&["fault"], &[host, what])
    }

    /// Somebody with hands mends it.
    pub(super) fn mend(&self, host: &str, what: &str) -> Result<String, String> {
        self.script(&["mend"], &[host, what])
    }

    /// Gives a host a management controller, and diag the settings that name it.
    pub(super) fn bmc(&self, host: &str) -> Result<String, String> {
        self.name_bmcs(PASSWORD);
        self.script(&["bmc"], &[host, USER, PASSWORD])
    }

    /// Whether a host is on (1) or off (0).
    pub(super) fn power(&self, host: &str) -> Result<String, String> {
        self.script(&["power"], &[host])
    }

    /// The settings of a site whose hosts have controllers, and what is said to be their password.
    pub(super) fn name_bmcs(&self, password: &str) {
        let file = self.at("bmc.password");
        fs::write(&file, password).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "[inventory.bmc]\n\"gpu-[001-{HOSTS:03}]\" = \"{{node}}-bmc\"\n\
             [bmc]\nuser = \"{USER}\"\npassword_file = \"bmc.password\"\n"
        );
        fs::write(self.at("diag.toml"), text).unwrap();
    }

    /// All of a host that somebody could have changed, and how often somebody logged in.
    pub(super) fn print(&self, host: &str) -> Result<String, String> {
        self.script(&["print"], &[host])
    }

    /// Runs a command where the controller is; ends it after so many seconds.
    pub(super) fn on_controller(&self, seconds: u32, argv: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args([&seconds.to_string(), SCRIPT, "enter"]).arg(self.folder.path()).arg("ctl").args(argv);
        command.stdin(Stdio::null()).current_dir(self.folder.path()).output().unwrap()
    }

    /// Runs diag there, on a folder of its own below this cluster's, with the settings that were written.
    pub(super) fn diag(&self, argv: &[&str]) -> Output {
        let settings = self.at("diag.toml");
        let settings = if settings.exists() { settings.display().to_string() } else { "none".to_owned() };
        self.on_controller(200, &[&[DIAG, "--config", &settings], argv].concat())
    }

    /// Runs a script of ours on a host, as diag does, without going through its sshd.
    pub(super) fn on_host(&self, host: &str, file: &Path) -> Output {
        let mut command = Command::new("timeout");
        command.args(["60", SCRIPT, "enter"]).arg(self.folder.path()).args([host, "sh", "-s"]);
        command.stdin(fs::File::open(file).unwrap()).output().unwrap()
    }

    /// Waits until Slurm has let go of the jobs on these hosts: on one that is dead, when it gives the host up (`SlurmdTimeout`);
    /// on those that heard of it, up to a minute later.
    pub(super) fn let_go(&self, hosts: &str) {
        let words = ["squeue", "-h", "-w", hosts];
        crate::fixing::wait_for("the end of the job", || said(&self.on_controller(20, &words)).is_empty());
    }

    /// A job over all hosts: what it printed, and whether it ended well.
    pub(super) fn job(&self, steps: &str, data: bool) -> (String, bool) {
        let suffix = if data { "RING_SUFFIX=-data" } else { "RING_SUFFIX=" };
        let nodes = format!("-N{HOSTS}");
        let words = ["env", suffix, "srun", "--label", &nodes, "--immediate=20", JOB, "--steps", steps];
        let done = self.on_controller(45, &words);
        (said(&done), done.status.success())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = self.script(&["down"], &[]);
    }
}
