//! This machine: what is to be done here runs in a sandbox, what is to be done on this node as a node does not.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

use super::fan::{Job, Later, Transport};
use super::outcome::{End, Ran};
use super::process::Process;
use super::shell::{Order, Terms, Watch, carry_out};
use crate::plan::{Access, Target};

/// From the start until the shell answers: namespaces and mounts take a moment on a busy machine.
const OPEN: Duration = Duration::from_secs(20);

/// From the request to end until the wrapper has to have said that it did.
const END: Duration = Duration::from_secs(10);

/// Beyond the time allowed, the wrapper ends by itself.
const LAST_RESORT: Duration = Duration::from_secs(60);

/// What of diag's environment reaches what it runs here: where programs, homes, languages and controllers are. The rest
/// may hold secrets, or change what programs do.
const PASSED_ON: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "SLURM_CONF",
    "SLURM_JOB_ID",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "SSL_CERT_FILE",
];

/// Sets up the inside of the sandbox, then becomes the shell.
const SANDBOX: &str = include_str!("sandbox.sh");

/// Runs here.
#[derive(Debug, Default)]
pub struct Local {
    /// Whether there are sandboxes, by what they give access to; why not, or what they can't close.
    found: [OnceCell<Result<String, String>>; 4],
}

impl Local {
    /// The command that leads to a shell, and what is to be noted of it.
    async fn shell(&self, target: &Target, access: Access) -> (Command, Option<String>) {
        let plain = || command("/bin/sh", &["-s"]);
        if matches!(target, Target::Node(_)) {
            return (plain(), None);
        }
        let which = usize::from(access.network) + 2 * usize::from(access.files);
        match self.found[which].get_or_init(|| try_sandbox(access)).await {
            Ok(open) if open.is_empty() => (sandboxed(access, "exec /bin/sh -s"), None),
            Ok(open) => (sandboxed(access, "exec /bin/sh -s"), Some(format!("its sandbox is not whole: {open}"))),
            Err(why) => (plain(), Some(format!("it ran without a sandbox: {why}"))),
        }
    }

    async fn run(&self, job: Job<'_>) -> Ran {
        let part = job.part;
        let refused = |why: String| Ran::without_output(part.target.clone(), End::CannotRun(why));
        if let Target::Node(node) = &part.target
            && !is_this_machine(node.as_str())
        {
            return refused(format!("{node} is not this machine; --via ssh or slurm reaches others"));
        }
        let watch = Watch { gate: !job.gate.is_alone(), limit: part.work.timeout + LAST_RESORT };
        let order = match Order::new(&part.work, watch) {
            Ok(order) => order,
            Err(why) => return refused(why),
        };
        let (command, note) = tokio::select! {
            shell = self.shell(&part.target, part.work.access) => shell,
            () = job.stop.cancelled() => {
                return Ran::without_output(part.target.clone(), End::Cancelled { begun: false });
            }
        };
        let wire = match Process::start(command) {
            Ok(wire) => wire,
            Err(error) => return refused(format!("a shell could not be started: {error}")),
        };
        let explain = |_, noise: &str| End::CannotRun(format!("the shell ended before it began: {}", noise.trim()));
        let mut ran = carry_out(wire, &order, &job, &Terms { open: OPEN, end: END, explain: &explain }).await;
        ran.notes.extend(note);
        ran
    }
}

impl Transport for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn overhead(&self) -> Duration {
        3 * OPEN + 2 * END
    }

    fn part<'a>(&'a self, job: Job<'a>) -> Later<'a, Ran> {
        Box::pin(self.run(job))
    }
}

/// Whether a name is that of the machine that diag runs on.
fn is_this_machine(name: &str) -> bool {
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let own = own.trim();
    let short = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    name == "localhost" || name == own || short(name) == short(own)
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().current_dir("/");
    command.envs(PASSED_ON.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value))));
    if std::env::var_os("PATH").is_none() {
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    }
    command
}

/// A program in namespaces of its own, which end with it.
fn sandboxed(access: Access, then: &str) -> Command {
    let mut args = vec!["--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts"];
    if !access.network {
        args.push("--net");
    }
    if !nix::unistd::geteuid().is_root() {
        args.extend(["--user", "--map-root-user"]);
    }
    let files = if access.files { "open" } else { "closed" };
    let network = if access.network { "open" } else { "closed" };
    let program = format!("{SANDBOX}\n{then}");
    args.extend(["--", "/bin/sh", "-c", &program, "sandbox", files, network]);
    command("unshare", &args)
}

/// Whether the kernel lets us have a sandbox; what of it stays open, or why not.
async fn try_sandbox(access: Access) -> Result<String, String> {
    let mut command = sandboxed(access, "exec true");
    command.stdin(Stdio::null()).kill_on_drop(true);
    let done = tokio::time::timeout(OPEN, command.output()).await;
    let done = done.map_err(|_| "it did not come up in time".to_owned())?;
    let done = done.map_err(|error| format!("unshare: {error}"))?;
    let said = String::from_utf8_lossy(&done.stderr).lines().collect::<Vec<_>>().join("; ");
    if done.status.success() { Ok(said) } else { Err(said) }
}
