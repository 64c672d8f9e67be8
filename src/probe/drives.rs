//! What drives say of their own health (SMART), through smartctl where that is installed.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe};
use crate::reading::{Reading, Unit, Verdict};

/// See the module. A drive that hangs is given up with its process.
pub(super) static PROBE: Probe = Probe {
    id: "drives",
    about: "what drives say of their own health (smartctl)",
    deadline: Duration::from_secs(5),
    subjects,
    read,
};

/// Where smartctl is.
const PROGRAMS: [&str; 3] = ["/usr/sbin/smartctl", "/sbin/smartctl", "/usr/bin/smartctl"];

/// Where a captured tree keeps the answer for a drive: `smartctl -j -H -A /dev/NAME`.
const CAPTURED: &str = "/var/log/smartctl";

/// Share of its life from which a drive is worn out, in percent (NVMe, *Percentage Used*).
const WORN: f64 = 100.0;

/// Attributes of SATA drives that count sectors which can't be read: pending and uncorrectable ones.
const LOST_SECTORS: [i64; 2] = [197, 198];

fn subjects(node: &Node) -> Vec<String> {
    if !node.is_here() {
        let captured = node.list(CAPTURED).into_iter();
        return captured.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    }
    if !PROGRAMS.iter().any(|program| node.has(program)) {
        return Vec::new();
    }
    let drive = |name: &String| name.starts_with("sd") || (name.starts_with("nvme") && !name.contains('c'));
    node.list("/sys/block").into_iter().filter(drive).collect()
}

fn read(node: &Node, subject: &str, _: &Expected, out: Out) {
    let about = |name: &str| Reading::new("drives", name).of("drive", subject);
    let answer =
        if node.is_here() { ask(node, subject) } else { node.text(&format!("{CAPTURED}/{subject}.json")).ok() };
    let Some(answer) = answer.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
        return out(about("health").found(Verdict::CannotRun, "smartctl gives no answer"));
    };
    match answer.pointer("/smart_status/passed").and_then(Value::as_bool) {
        Some(passed) => out(about("health")
            .flag(passed)
            .expect("true")
            .judge(passed, Verdict::Bad, || "the drive itself says that it fails".to_owned())),
        None => {
            let said =
                answer.pointer("/smartctl/messages/0/string").and_then(Value::as_str).unwrap_or("it does not tell");
            return out(about("health").found(Verdict::CannotRun, said));
        }
    }
    nvme(&answer, &about, out);
    sata(&answer, &about, out);
}

/// Asks smartctl; a drive that sleeps is not woken. Its exit code is a set of flags that the answer tells as well.
fn ask(node: &Node, drive: &str) -> Option<String> {
    let program = PROGRAMS.iter().find(|program| node.has(program))?;
    let device = format!("/dev/{drive}");
    let args = ["-j", "-n", "standby", "-H", "-A", device.as_str()];
    let done = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(done.stdout).ok()
}

fn nvme(answer: &Value, about: &dyn Fn(&str) -> Reading, out: Out) {
    let Some(log) = answer.get("nvme_smart_health_information_log") else { return };
    let number = |name: &str| log.get(name).and_then(Value::as_f64);
    if let Some(used) = number("percentage_used") {
        let spare = number("available_spare").zip(number("available_spare_threshold"));
        let enough = spare.is_none_or(|(left, least)| left > least);
        out(about("wear").number(used / 100.0, Unit::Ratio).judge(used < WORN && enough, Verdict::Degraded, || {
            format!(
                "the drive is worn: {used} % of its life are used{}",
                if enough { "" } else { ", and its spare is" }
            )
        }));
    }
    if let Some(errors) = number("media_errors") {
        out(about("media_errors")
            .number(errors, Unit::Total)
            .judge(errors == 0.0, Verdict::Degraded, || format!("{errors} blocks could not be read or written")));
    }
}

fn sata(answer: &Value, about: &dyn Fn(&str) -> Reading, out: Out) {
    let Some(table) = answer.pointer("/ata_smart_attributes/table").and_then(Value::as_array) else { return };
    let id = |row: &&Value| row.get("id").and_then(Value::as_i64).is_some_and(|id| LOST_SECTORS.contains(&id));
    let lost: f64 = table.iter().filter(id).filter_map(|row| row.pointer("/raw/value").and_then(Value::as_f64)).sum();
    out(about("media_errors")
        .number(lost, Unit::None)
        .judge(lost == 0.0, Verdict::Degraded, || format!("{lost} sectors can't be read")));
}
