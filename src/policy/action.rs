//! What commands do, read off the commands themselves: a playbook that plays a reboot down changes nothing.

use serde::{Deserialize, Serialize};

use crate::plan::{Task, What};
use crate::playbook::schema::Risk;

/// What a task does to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing of the below.
    Other,
    /// Gives a node back to the scheduler.
    Return,
    /// Keeps new jobs off a node.
    Drain,
    /// Starts or stops a daemon, a driver or a link.
    Service,
    /// Resets a device.
    Reset,
    /// Restarts or stops a node.
    Reboot,
    /// Ends somebody's job, or deletes something.
    Delete,
}

impl Action {
    /// The least that it risks, whatever its playbook says.
    #[must_use]
    pub const fn risk(self) -> Risk {
        match self {
            Self::Other => Risk::Observe,
            Self::Return | Self::Drain => Risk::Reversible,
            Self::Service | Self::Reset | Self::Reboot => Risk::Disruptive,
            Self::Delete => Risk::Destructive,
        }
    }

    /// Whether it takes nodes from service, for a time or for good.
    #[must_use]
    pub const fn takes(self) -> bool {
        matches!(self, Self::Drain | Self::Service | Self::Reset | Self::Reboot)
    }
}

/// The worst that tasks do.
#[must_use]
pub fn action(tasks: &[Task]) -> Action {
    let parts = tasks.iter().flat_map(|task| &task.groups).flat_map(|group| &group.parts);
    // A test may clear up after itself, and says itself what it risks; the script of a fix is read as its commands are.
    let changes = tasks.iter().any(|task| task.risk >= Risk::Reversible);
    let of = |what: &What| match what {
        What::Argv(argv) => of_words(argv),
        What::Script(script) if changes => of_script(&script.text),
        What::Script(_) => Action::Other,
    };
    parts.map(|part| of(&part.work.what)).max().unwrap_or(Action::Other)
}

/// What a command does; of one that starts another, what that does.
fn of_words(argv: &[String]) -> Action {
    let words: Vec<String> = argv.iter().map(|word| word.to_ascii_lowercase()).collect();
    let Some((program, rest)) = words.split_first() else { return Action::Other };
    let program = program.rsplit('/').next().unwrap_or(program);
    let has = |word: &str| rest.iter().any(|known| known == word);
    match program {
        "scontrol" | "sudo" | "env" | "timeout" | "nice" | "ssh" | "srun" | "sh" | "bash" | "nsenter" | "chroot"
            if program != "scontrol" =>
        {
            starts(program, argv)
        }
        "scontrol" => scontrol(rest),
        "kubectl" => kubectl(rest),
        "systemctl" => systemctl(rest),
        "service" => Action::Service,
        "nvidia-smi" if has("-r") || has("--gpu-reset") => Action::Reset,
        "modprobe" | "rmmod" | "insmod" | "ifup" | "ifdown" => Action::Service,
        "ip" if has("set") || has("add") || has("del") || has("flush") => Action::Service,
        "reboot" | "shutdown" | "poweroff" | "halt" | "init" | "kexec" | "ipmitool" | "ipmi-chassis"
            if program != "ipmitool" || has("power") || has("chassis") =>
        {
            Action::Reboot
        }
        "rm" | "rmdir" | "unlink" | "shred" | "dd" | "wipefs" | "scancel" | "kill" | "pkill" | "killall"
        | "truncate" => Action::Delete,
        _ if program.starts_with("mkfs") => Action::Delete,
        _ => Action::Other,
    }
}

/// The worst that any tail of the words does: which of them begins the inner command, only its program knows.
fn starts(program: &str, argv: &[String]) -> Action {
    let shell = matches!(program, "sh" | "bash");
    let inner = |at: usize| {
        let text = &argv[at];
        let words: Vec<String> = text.split([' ', ';', '&', '|', '\n']).map(str::to_owned).collect();
        let split = (0..words.len()).map(|at| of_words(&words[at..])).max().unwrap_or(Action::Other);
        if shell || words.len() > 1 { split.max(of_words(&argv[at..])) } else { of_words(&argv[at..]) }
    };
    (1..argv.len()).map(inner).max().unwrap_or(Action::Other)
}

/// The worst that any command of a script does. Words within quotes and after comments count as well: rather too much.
fn of_script(text: &str) -> Action {
    let text = plain_names(text);
    let pieces = text.split(['\n', ';', '&', '|', '(', ')', '`', '{', '}']);
    let words = pieces.map(|piece| piece.split_whitespace().map(str::to_owned).collect::<Vec<String>>());
    words.flat_map(|words| (0..words.len()).map(move |at| of_words(&words[at..]))).max().unwrap_or(Action::Other)
}

/// `${NAME}` as `$NAME`: the braces of a value end no command.
fn plain_names(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split("${");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push('$');
        match part.split_once('}') {
            Some((name, rest)) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                plain.extend([name, rest]);
            }
            _ => plain.extend(["{", part]),
        }
    }
    plain
}

fn scontrol(words: &[String]) -> Action {
    let verb = words.iter().find(|word| !word.starts_with('-')).map_or("", String::as_str);
    let state = words.iter().find_map(|word| word.strip_prefix("state=")).unwrap_or_default();
    match (verb, state) {
        ("reboot" | "reboot_nodes" | "power", _) => Action::Reboot,
        ("cancel_reboot", _) => Action::Return,
        ("update", "resume" | "idle" | "undrain" | "power_up") => Action::Return,
        ("update", "drain" | "down" | "fail" | "future" | "noresp") => Action::Drain,
        ("update", "power_down" | "power_down_asap" | "power_down_force" | "powerdown") => Action::Reboot,
        ("update" | "delete" | "requeue" | "requeuehold" | "suspend" | "hold" | "shutdown" | "takeover", _) => {
            if words.iter().any(|word| word.starts_with("nodename=")) { Action::Drain } else { Action::Delete }
        }
        _ => Action::Other,
    }
}

fn kubectl(words: &[String]) -> Action {
    let has = |word: &str| words.iter().any(|known| known == word);
    match () {
        () if has("delete") || has("replace") => Action::Delete,
        () if has("drain") => Action::Service,
        () if has("cordon") || has("taint") => Action::Drain,
        () if has("uncordon") => Action::Return,
        () if ["apply", "patch", "scale", "rollout", "edit", "exec", "create"].iter().any(|verb| has(verb)) => {
            Action::Service
        }
        () => Action::Other,
    }
}

fn systemctl(words: &[String]) -> Action {
    let verb = words.iter().find(|word| !word.starts_with('-')).map_or("", String::as_str);
    match verb {
        "reboot" | "poweroff" | "halt" | "kexec" | "suspend" | "hibernate" | "rescue" | "emergency" => Action::Reboot,
        "status" | "is-active" | "is-failed" | "is-enabled" | "show" | "cat" | "list-units" => Action::Other,
        _ => Action::Service,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_does_is_read_off_the_command() {
        let of = |line: &str| of_words(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for (line, want) in [
            ("scontrol show node gpu-17", Action::Other),
            ("scontrol update NodeName=gpu-17 State=DRAIN Reason=x", Action::Drain),
            ("/usr/bin/scontrol update nodename=gpu-17 state=down reason=x", Action::Drain),
            ("scontrol update NodeName=gpu-17 State=RESUME", Action::Return),
            ("scontrol update NodeName=gpu-17 Weight=3", Action::Drain),
            ("scontrol reboot ASAP gpu-17", Action::Reboot),
            ("scontrol update JobId=1 TimeLimit=1", Action::Delete),
            ("systemctl status slurmd", Action::Other),
            ("systemctl --no-block restart slurmd", Action::Service),
            ("systemctl reboot", Action::Reboot),
            ("sudo -n systemctl restart slurmd", Action::Service),
            ("timeout 10 stat -f /scratch", Action::Other),
            ("ssh gpu-17 reboot", Action::Reboot),
            ("kubectl -n kube-system get pods", Action::Other),
            ("kubectl cordon gpu-17", Action::Drain),
            ("kubectl drain gpu-17", Action::Service),
            ("kubectl delete pod x", Action::Delete),
            ("nvidia-smi -q -d ECC", Action::Other),
            ("nvidia-smi -r -i 0", Action::Reset),
            ("ip link set eth0 mtu 9000", Action::Service),
            ("ip -s link show", Action::Other),
            ("ipmitool sel elist", Action::Other),
            ("ipmitool chassis power cycle", Action::Reboot),
            ("rm -rf /tmp/x", Action::Delete),
            ("scancel 4242", Action::Delete),
            ("mkfs.xfs /dev/sdb", Action::Delete),
        ] {
            assert_eq!(of(line), want, "{line}");
        }
        assert_eq!(of_script("if true; then\n  rm -f \"$file\"\nfi"), Action::Delete);
        assert_eq!(of_script("ask() { ipmitool -H \"${DIAG_BMC}\" chassis power \"$1\"; }"), Action::Reboot);
        assert_eq!(of_script("echo \"${A:-$(reboot)}\""), Action::Reboot);
        assert_eq!(of_script("tc qdisc show dev eth0 | grep -q tbf"), Action::Other);
        assert_eq!(of_script(include_str!("../plan/service/slurm-off.sh")), Action::Drain);
        assert_eq!(of_script(include_str!("../plan/service/slurm-back.sh")), Action::Return);
        assert_eq!(of_script(include_str!("../plan/service/kubernetes-off.sh")), Action::Drain);
        assert_eq!(of_script(include_str!("../plan/service/kubernetes-back.sh")), Action::Return);
        let shell = ["sh", "-c", "true; reboot"].map(str::to_owned);
        assert_eq!(of_words(&shell), Action::Reboot);
    }
}
