//! The kernel's log: what the GPUs' driver, the switches and the hardware reported since a second of this boot.

use std::collections::BTreeMap;
use std::time::Duration;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::evidence::gpu_fault::{Policy, Rule};
use crate::reading::{Reading, Unit, Verdict};

/// See the module. The subject is the second of this boot after which lines count; empty for all of them.
pub(super) static PROBE: Probe = Probe {
    id: "kernel",
    about: "the kernel's log: Xids by their policy, switches, hardware errors",
    deadline: Duration::from_secs(2),
    subjects: whole,
    read,
};

/// Where a captured tree keeps the log.
const CAPTURED: &str = "/var/log/dmesg";

/// Bytes of the log that usually hold all that is new, and more where they don't: reading all of it costs 18 ms.
const TAILS: [usize; 2] = [8 << 10, 64 << 10];

/// Other lines that tell of a fault: what they hold, the reading, what it comes to, why.
const SIGNS: [(&str, &str, Verdict, &str); 9] = [
    ("fallen off the bus", "gpu_lost", Verdict::Bad, "a GPU has fallen off the bus"),
    (
        "Uncorrected error, software containment",
        "machine_check",
        Verdict::Degraded,
        "an uncorrected memory error was contained",
    ),
    (
        "[Hardware Error]: Uncorrected",
        "machine_check",
        Verdict::Bad,
        "the processor reported an uncorrected hardware error",
    ),
    (
        "Machine check: Processor context corrupt",
        "machine_check",
        Verdict::Bad,
        "the processor reported a hardware error",
    ),
    ("PCIe Bus Error: severity=Uncorrected (Fatal)", "pcie_fatal", Verdict::Bad, "the bus reported a fatal error"),
    // Firmware that reports errors itself, as on ARM servers (Linux, drivers/firmware/efi/cper.c).
    (
        "[Hardware Error]: event severity: fatal",
        "machine_check",
        Verdict::Bad,
        "the firmware reported a fatal hardware error",
    ),
    (
        "[Hardware Error]: event severity: recoverable",
        "machine_check",
        Verdict::Degraded,
        "the firmware reported a hardware error that could be contained",
    ),
    // Linux, drivers/net/ethernet/mellanox/mlx5/core/en_main.c: the carrier of an adapter's port.
    (": Link down", "link_flaps", Verdict::Degraded, "a link of the network went down"),
    ("soft lockup - CPU#", "lockup", Verdict::Degraded, "a processor was stuck in the kernel"),
];

fn read(node: &Node, subject: &str, _: &Expected, out: Out) {
    let since: f64 = subject.parse().unwrap_or(-1.0);
    let text = match log(node, since) {
        Ok(text) => text,
        Err(error) => {
            let why = format!("the kernel's log can't be read: {error}");
            return out(Reading::new("kernel", "log").found(Verdict::CannotRun, why));
        }
    };
    let lines: Vec<(f64, &str)> = text.lines().filter_map(line).filter(|(at, _)| *at > since).collect();
    let last = lines.iter().map(|(at, _)| *at).fold(since.max(0.0), f64::max);
    out(Reading::new("kernel", "last").number(last, Unit::Seconds));
    xids(&lines, out);
    for (sign, name, verdict, why) in SIGNS {
        let count = lines.iter().filter(|(_, text)| text.contains(sign)).count() as u64;
        if count > 0 {
            out(Reading::new("kernel", name).count(count, Unit::None).expect("0").found(verdict, why));
        }
    }
}

/// The log since a second: its tail where that reaches far enough, else all of it.
fn log(node: &Node, since: f64) -> std::io::Result<String> {
    if !node.is_here() {
        return node.text(CAPTURED);
    }
    for most in TAILS.into_iter().filter(|_| since >= 0.0) {
        let tail = String::from_utf8_lossy(&diag_raw::kernel_log::tail(most)?).into_owned();
        let first = tail.lines().find_map(line);
        if tail.len() + 4096 < most || first.is_some_and(|(at, _)| at <= since) {
            return Ok(tail);
        }
    }
    let all = diag_raw::kernel_log::tail(diag_raw::kernel_log::size()?)?;
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// `<6>[   12.345678] text`, also without the level.
fn line(line: &str) -> Option<(f64, &str)> {
    let line = line.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(line, |(_, rest)| rest);
    let (at, text) = line.strip_prefix('[')?.split_once(']')?;
    Some((at.trim().parse().ok()?, text.trim_start()))
}

/// An Xid: PCI address, number, and the rest of the line.
fn xid(text: &str) -> Option<(String, i64, &str)> {
    let rest = text.split_once("NVRM: Xid (")?.1;
    let (address, rest) = rest.split_once("): ")?;
    let address = address.strip_prefix("PCI:").unwrap_or(address);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = rest[..end].parse().ok()?;
    let address = if address.contains('.') { address.to_owned() } else { format!("{address}.0") };
    Some((address.to_ascii_lowercase(), number, rest[end..].trim_start_matches([',', ' '])))
}

/// Xid 154 tells NVIDIA's own verdict on a GPU.
const RECOVERY_ACTION: i64 = 154;

/// Tells of each GPU what its Xids come to: by NVIDIA's own verdict where it gave one, else by the policy.
fn xids(lines: &[(f64, &str)], out: Out) {
    let mut gpus: BTreeMap<String, Vec<(i64, &str)>> = BTreeMap::new();
    for (gpu, number, rest) in lines.iter().filter_map(|(_, text)| xid(text)) {
        gpus.entry(gpu).or_default().push((number, rest));
    }
    for (gpu, seen) in gpus {
        let numbers: Vec<String> = seen.iter().map(|(number, _)| number.to_string()).collect();
        let reading = Reading::new("kernel", "xid").of("gpu", gpu).text(numbers.join(","));
        let advised = seen.iter().rev().find(|(number, _)| *number == RECOVERY_ACTION).map(|(_, rest)| *rest);
        out(match advised {
            Some(advice) if advice.contains("(None)") && !advice.contains("to 0x") => reading,
            Some(advice) => advised_by_driver(reading, advice),
            None => seen.iter().fold(reading, |reading, (number, _)| weighed(reading, *number)),
        });
    }
}

/// `GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)`
fn advised_by_driver(reading: Reading, advice: &str) -> Reading {
    let now = advice.rsplit_once('(').map_or(advice, |(_, rest)| rest.trim_end_matches([')', '.']));
    if now == "None" { reading } else { reading.found(Verdict::Bad, format!("the driver's own advice: {now}")) }
}

/// What an Xid means by the policy of `playbooks/policy`.
fn weighed(reading: Reading, number: i64) -> Reading {
    match Policy::built_in().of_xid(number) {
        Some(rule) => match verdict(rule) {
            Verdict::Ok => reading,
            verdict => reading.found(verdict, format!("Xid {number}: {}", rule.action)),
        },
        None => reading,
    }
}

/// An application's own fault condemns no node; what only a reset or a restart cures does.
fn verdict(rule: &Rule) -> Verdict {
    let drastic = ["reset", "restart the node", "restart the host", "reboot", "replace"];
    match (rule.fact.is_some(), rule.blames.as_str()) {
        (false, _) | (_, "application") => Verdict::Ok,
        _ if drastic.iter().any(|word| rule.action.contains(word)) => Verdict::Bad,
        _ if rule.action.contains("application") || rule.action.contains("ignore") => Verdict::Ok,
        _ => Verdict::Degraded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, since: &str) -> Vec<(String, Verdict)> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("var/log")).unwrap();
        std::fs::write(root.path().join("var/log/dmesg"), text).unwrap();
        let mut told = Vec::new();
        read(&Node::at(root.path()), since, &Expected::default(), &mut |reading| {
            if reading.name != "last" {
                told.push((reading.of.get("gpu").cloned().unwrap_or_default(), reading.verdict));
            }
        });
        told
    }

    #[test]
    fn xids_are_weighed_by_the_policy() {
        let gpu = "0000:3b:00.0".to_owned();
        let line = |xid: &str| format!("<4>[  100.000001] NVRM: Xid (PCI:0000:3b:00): {xid}\n");
        for (lines, wanted) in [
            (line("79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."), Verdict::Bad),
            (line("31, pid=4711, name=python3, Ch 00000008, intr 00000000. MMU Fault"), Verdict::Ok),
            (line("13, pid=4711, name=python3, Graphics Exception"), Verdict::Ok),
            (line("43, pid=4711, name=python3, Ch 00000008"), Verdict::Ok),
            (line("64, pid='<unknown>', name=<unknown>, Row Remapper Error"), Verdict::Bad),
            (line("154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"), Verdict::Bad),
            (
                line("119, Timeout")
                    + &line("154, GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)"),
                Verdict::Ok,
            ),
        ] {
            let found = told(&lines, "");
            assert_eq!(found.first(), Some(&(gpu.clone(), wanted)), "{lines}");
        }
    }

    #[test]
    fn lines_before_the_last_look_are_old() {
        let text = "[   50.000000] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n";
        assert_eq!(told(text, "60.0"), []);
        assert_eq!(told(text, "").len(), 2, "the Xid, and the words");
    }

    #[test]
    fn what_a_user_may_write_is_no_line_of_the_driver() {
        assert_eq!(xid("python3[12]: NVRM: Xid (x): y"), None);
        assert_eq!(line("no stamp"), None);
    }
}
