//! The steps of a plan as files that a person can read, change and run.

use crate::plan::step::{Plan, Stage, Step};
use crate::plan::task::{Part, Target, What};
use crate::report::guard;
use crate::report::words::quoted;

/// A script: a name without any path, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// `01-confirm-ib-pair-gpu-17-client.sh`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// All that can be run of a plan, in order.
#[must_use]
pub fn scripts(plan: &Plan) -> Vec<File> {
    let mut files = Vec::new();
    let runs = plan.steps.iter().filter(|step| step.runs() && step.stage != Stage::Verify);
    for (at, step) in runs.enumerate() {
        let parts = step.tasks.iter().flat_map(|task| &task.groups).flat_map(|group| &group.parts);
        let parts: Vec<&Part> = parts.collect();
        for (nth, part) in parts.iter().enumerate() {
            let twin = parts.iter().filter(|other| suffix(other) == suffix(part)).count() > 1;
            let nth = if twin { format!("-{}", nth + 1) } else { String::new() };
            let name = format!("{:02}-{}{}{nth}.sh", at + 1, plain(&step.id), suffix(part));
            files.push(File { text: text(plan, step, part, &name), name });
        }
    }
    files
}

/// `-gpu-17-client`: where a part runs, and as what.
fn suffix(part: &Part) -> String {
    let role = part.work.env.get("DIAG_ROLE").map(|role| format!("-{}", plain(role))).unwrap_or_default();
    match &part.target {
        Target::Here => role,
        Target::Node(node) => format!("-{}{role}", plain(node.as_str())),
    }
}

/// A word as part of a file's name.
fn plain(word: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    word.chars().map(safe).take(80).collect()
}

fn text(plan: &Plan, step: &Step, part: &Part, name: &str) -> String {
    let shell = match &part.work.what {
        What::Script(script) if script.shell == "bash" => "bash",
        _ => "sh",
    };
    let on = match &part.target {
        Target::Here => "here".to_owned(),
        Target::Node(node) => format!("{node}; from here: ssh {node} {shell} -s < {name}"),
    };
    let digest: String = step.digest().chars().take(16).collect();
    let mut text = format!("#!/usr/bin/env {shell}\n");
    for (label, what) in [
        ("", step.title.clone()),
        ("for:   ", format!("{} ({})", plan.subject.title, plan.subject.cause)),
        ("where: ", on),
        ("risk:  ", format!("{}; may take {} s", step.risk, part.work.timeout.as_secs())),
        ("step:  ", format!("{}, digest {digest}; written by diag {}", step.id, env!("CARGO_PKG_VERSION"))),
    ] {
        text += &format!("# {label}{}\n", guard::plain(&what));
    }
    for (name, value) in &part.work.env {
        text += &format!("{name}={}; export {name}\n", quoted(value));
    }
    match &part.work.what {
        What::Argv(argv) => {
            text += &format!("exec {}\n", argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
        }
        What::Script(script) => {
            text.push('\n');
            text += script.text.trim_start_matches('\n');
        }
    }
    text
}
