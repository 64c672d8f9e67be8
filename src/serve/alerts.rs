//! Webhooks of Alertmanager: an alert that fires opens a case with the alert as evidence, and the logs of its node around it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;

use crate::case::{Collection, Draft};
use crate::collect::cluster::Held;
use crate::collect::{self, Meter};
use crate::error::Error;
use crate::plan::NodeName;
use crate::report::guard;

/// Most alerts of a webhook that are written down.
const ALERTS: usize = 1000;

/// Most bytes of logs that a case takes.
const LOGS: u64 = 256 << 20;

/// Most characters of a text of an alert.
const TEXT: usize = 500;

/// Labels that name the node, the plainest first; `instance` has a port.
const NODE: [&str; 6] = ["node", "nodename", "Hostname", "hostname", "host", "instance"];

/// What Alertmanager sends (webhook payload, version 4: prometheus.io/docs/alerting/latest/configuration/#webhook_config).
#[derive(Debug, Deserialize)]
pub(super) struct Webhook {
    version: String,
    #[serde(rename = "groupKey", default)]
    group: String,
    #[serde(rename = "truncatedAlerts", default)]
    truncated: u64,
    alerts: Vec<Alert>,
}

#[derive(Debug, Deserialize)]
struct Alert {
    status: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(rename = "startsAt", default)]
    starts: String,
    #[serde(default)]
    fingerprint: String,
}

impl Webhook {
    /// Reads a body.
    ///
    /// # Errors
    /// It is none of a version that is known.
    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        let wrong = |why: String| {
            Error::new("serve.alert", "body", why)
                .with_way_on("what Alertmanager sends to a webhook, version 4, is wanted")
        };
        let hook: Self = serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
        if hook.version != "4" {
            return Err(wrong(format!("is of version {:?}", hook.version)));
        }
        Ok(hook)
    }

    /// What tells it from others: it comes again and again while it fires.
    pub(super) fn key(&self) -> String {
        let mut firing: Vec<String> =
            self.firing().map(|alert| format!("{}@{}", alert.fingerprint, alert.starts)).collect();
        firing.sort();
        format!("{}|{}", self.group, firing.join(","))
    }

    /// Whether something fires.
    pub(super) fn fires(&self) -> bool {
        self.firing().next().is_some()
    }

    fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| alert.status == "firing")
    }

    /// The nodes of what fires, each once.
    fn nodes(&self) -> Vec<NodeName> {
        let mut nodes = Vec::new();
        for node in self.firing().filter_map(Alert::node) {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        nodes
    }

    /// A line an alert, as `parsers/alertmanager` reads them.
    fn lines(&self) -> String {
        let mut text: String = self.alerts.iter().take(ALERTS).map(Alert::line).collect();
        let more = self.truncated + self.alerts.len().saturating_sub(ALERTS) as u64;
        if more > 0 {
            text += &format!("alertmanager: {more} further alerts were left out\n");
        }
        text
    }
}

impl Alert {
    fn node(&self) -> Option<NodeName> {
        let label = NODE.iter().find_map(|name| self.labels.get(*name))?;
        let host = label.split(':').next().unwrap_or_default();
        host.parse().ok()
    }

    fn line(&self) -> String {
        let word = |text: &str| {
            let plain = |c: char| if c.is_ascii_alphanumeric() || "._:-".contains(c) { c } else { '_' };
            text.chars().map(plain).take(TEXT).collect::<String>()
        };
        let label = |name: &str| self.labels.get(name).map(|value| word(value)).filter(|value| !value.is_empty());
        let status = if self.status == "resolved" { "resolved" } else { "firing" };
        let severity = label("severity").unwrap_or_else(|| "none".to_owned());
        let mut line = format!(
            "alertmanager: {status} {} severity={severity}",
            label("alertname").unwrap_or_else(|| "unnamed".to_owned())
        );
        line += &self.node().map(|node| format!(" node={node}")).unwrap_or_default();
        line += &label("gpu").map(|gpu| format!(" gpu={gpu}")).unwrap_or_default();
        let job = ["slurm_job_id", "jobid", "job_id"].iter().find_map(|name| label(name));
        let number = |job: &String| job.bytes().all(|byte| byte.is_ascii_digit());
        line += &job.filter(number).map(|job| format!(" job={job}")).unwrap_or_default();
        let text = ["summary", "description", "message"].iter().find_map(|name| self.annotations.get(*name));
        let text: String = guard::plain(text.map_or("", String::as_str)).chars().take(TEXT).collect();
        let at = self.starts.parse::<jiff::Timestamp>().map(|at| format!("{at} ")).unwrap_or_default();
        format!("{at}{line}; {}\n", text.trim())
    }
}

/// Opens a case of a drawn name; its name.
pub(super) fn open(
    hook: &Webhook,
    body: &[u8],
    folder: &Path,
    logs: &[PathBuf],
    meter: &Meter,
) -> Result<String, Error> {
    let name = format!("alert-{}", super::store::draw()?);
    let collection = Collection {
        at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        diag: env!("CARGO_PKG_VERSION").to_owned(),
        // No person named a log, so that none is a witness of its own.
        inputs: vec!["alertmanager".to_owned()],
        masked: Vec::new(),
    };
    let mut draft = Draft::begin(&folder.join(&name), collection)?;
    let held = vec![
        Held { name: "alerts.log".to_owned(), bytes: hook.lines().into_bytes() },
        Held { name: "alertmanager.json".to_owned(), bytes: body.to_vec() },
    ];
    let found = around(&hook.nodes(), logs, &mut draft);
    match collect::gather(held, &found, &mut draft, None, meter) {
        Ok(_) if !meter.stopped() => draft.finish().map(|_| name),
        Ok(_) => {
            draft.give_up();
            Err(Error::new("serve.deadline", "logs", "were not copied in time"))
        }
        Err(error) => {
            draft.give_up();
            Err(error)
        }
    }
}

/// Files and folders that are called after one of the nodes, those that were written last first, as many as a case takes.
fn around(nodes: &[NodeName], logs: &[PathBuf], draft: &mut Draft) -> Vec<String> {
    let mut found: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in logs.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !nodes.iter().any(|node| is_of(&name, node.as_str())) {
            continue;
        }
        let inside =
            std::fs::read_dir(entry.path()).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        for path in inside.chain([entry.path()]) {
            let Some(about) = std::fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_file) else {
                continue;
            };
            found.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), path));
        }
    }
    found.sort_by_key(|found| std::cmp::Reverse(found.0));
    let mut room = LOGS;
    let mut taken = Vec::new();
    for (_, bytes, path) in found {
        let path = path.display().to_string();
        if bytes > room {
            draft.leave_out(&Error::new("input.large", path, "the logs of the node are larger than a case takes"));
        } else {
            room -= bytes;
            taken.push(path);
        }
    }
    taken
}

/// Whether a file is called after a node: `gpu-17`, `gpu-17.log`, `dmesg-gpu-17.txt`; not `gpu-170.log`.
fn is_of(name: &str, node: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    name.match_indices(node).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let behind = name[at + node.len()..].chars().next();
        before.is_none_or(|c| !c.is_ascii_alphanumeric()) && behind.is_none_or(|c| !word(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_after_its_node() {
        for name in ["gpu-17", "gpu-17.log", "gpu-17.cluster.local", "dmesg-gpu-17.txt", "gpu-17_messages"] {
            assert!(is_of(name, "gpu-17"), "{name}");
        }
        for name in ["gpu-170.log", "mygpu-17", "gpu-1", "gpu-17-old.log"] {
            assert!(!is_of(name, "gpu-17"), "{name}");
        }
    }

    #[test]
    fn labels_are_hostile() {
        let body = serde_json::json!({"version": "4", "alerts": [{
            "status": "firing", "startsAt": "not a time\nx", "annotations": {"summary": "a\nforged line \u{1b}[2J"},
            "labels": {"alertname": "X\n2026 alertmanager: firing Y", "node": "../../etc/passwd", "gpu": "0 job=1; x"},
        }]});
        let hook = Webhook::read(body.to_string().as_bytes()).unwrap();
        assert!(hook.nodes().is_empty(), "no path is a node");
        let lines = hook.lines();
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.contains(" gpu=0_job_1__x; a\u{240a}forged"), "{lines}");
    }
}
