//! Which nodes Slurm could give, before it is asked for them: one that is down would hold up all others.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::Settings;
use crate::exec::outcome::End;
use crate::plan::NodeName;

/// How long a controller may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// States in which no step runs on a node (sinfo(1), NODE STATE CODES).
const AWAY: [&str; 9] =
    ["down", "unknown", "fail", "error", "powered_down", "powering_down", "power_down", "perfctrs", "future"];

/// Why a step can't run on each of these nodes; those on which it can are left out.
pub(super) async fn away<'a>(
    nodes: &[&'a NodeName],
    settings: &Settings,
) -> Result<BTreeMap<&'a NodeName, End>, String> {
    let list = nodes.iter().map(|node| node.as_str()).collect::<Vec<_>>().join(",");
    let own_allocation = settings.job.is_none();
    let text = ask(settings, "sinfo", &["--noheader", "--Node", "--format=%N %T", "--nodes", &list]).await?;
    let states: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.trim().split_once(' ')).collect();
    let judged = nodes.iter().filter_map(|node| {
        let why = match states.get(node.as_str()) {
            Some(state) => judge(state.trim(), own_allocation)?,
            None => End::Unreachable("Slurm knows no such node".to_owned()),
        };
        Some((*node, why))
    });
    Ok(judged.collect())
}

fn judge(state: &str, own_allocation: bool) -> Option<End> {
    let name = state.trim_end_matches(['*', '~', '#', '!', '%', '$', '@', '^', '-', '+']);
    if state.contains('*') || AWAY.contains(&name) {
        return Some(End::Unreachable(format!("Slurm says it is {state}")));
    }
    if own_allocation && matches!(name, "drained" | "draining" | "drng" | "drain" | "maint" | "reserved") {
        return Some(End::CannotRun(format!("Slurm gives no allocation on it, it is {state}; --via ssh reaches it")));
    }
    if own_allocation && matches!(name, "allocated" | "mixed") {
        return Some(End::CannotRun(format!("somebody's job runs on it, it is {state}")));
    }
    None
}

/// Asks Slurm, with an end.
pub(super) async fn ask(settings: &Settings, program: &str, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.envs(settings.config.iter().map(|config| ("SLURM_CONF", config)));
    command.args(args).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    let done = tokio::time::timeout(ANSWER, command.output()).await;
    let done = done.map_err(|_| format!("{program} did not answer within {ANSWER:?}"))?;
    let done = done.map_err(|error| format!("{program}: {error}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&done.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::exec::outcome::End;

    #[test]
    fn states_say_whether_a_step_could_run() {
        for good in ["idle", "completing", "idle+"] {
            assert_eq!(judge(good, true), None, "{good}");
        }
        for away in ["down", "down*", "idle*", "unknown", "powered_down~"] {
            assert!(matches!(judge(away, false), Some(End::Unreachable(_))), "{away}");
        }
        assert!(matches!(judge("drained", true), Some(End::CannotRun(_))));
        assert!(matches!(judge("mixed", true), Some(End::CannotRun(_))));
        assert_eq!(judge("allocated", false), None);
        assert_eq!(judge("draining", false), None);
    }
}
