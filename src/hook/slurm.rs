//! Slurm's own view of a node, for health-check only: prolog and epilog run within slurmd and must not ask the controller.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How reasons of the hook's own begin: only what begins so is resumed by it. Where `diag fix` keeps a node off, the name of a
/// cause follows at once, and only the case that did it gives the node back.
pub const PREFIX: &str = "diag: ";

/// What the controller says of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Its state with flags, for example `IDLE+DRAIN`.
    pub state: String,
    /// Why it is drained or down.
    pub reason: String,
}

impl View {
    /// Whether the node takes no new jobs.
    pub fn drained(&self) -> bool {
        self.state.contains("DRAIN") || self.state.contains("DOWN") || self.state.contains("FAIL")
    }

    /// Whether it was we who drained it.
    pub fn by_us(&self) -> bool {
        self.reason.starts_with(PREFIX)
    }
}

/// Asks the controller for a node.
pub fn view(node: &str, within: Duration) -> Result<View, String> {
    Ok(parse(&ask(&["show", "node", "--oneliner", node], within)?))
}

/// Takes the state and the reason out of `scontrol show node --oneliner`.
fn parse(text: &str) -> View {
    let field = |name: &str| text.split(name).nth(1);
    let state = field(" State=").and_then(|rest| rest.split_whitespace().next()).unwrap_or("").to_owned();
    // The reason is free text; `[user@time]` ends it.
    let reason = field(" Reason=").map(|rest| rest.split(" [").next().unwrap_or(rest).trim().to_owned());
    View { state, reason: reason.unwrap_or_default() }
}

/// Drains a node.
pub fn drain(node: &str, reason: &str, within: Duration) -> Result<(), String> {
    let reason = format!("Reason={PREFIX}{}", one_line(reason));
    ask(&["update", &format!("NodeName={node}"), "State=DRAIN", &reason], within).map(|_| ())
}

/// Lets a node take jobs again.
pub fn resume(node: &str, within: Duration) -> Result<(), String> {
    ask(&["update", &format!("NodeName={node}"), "State=RESUME"], within).map(|_| ())
}

/// A reason that fits `scontrol`: one line without quotes.
fn one_line(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control() && !"\"'`".contains(*c)).take(240).collect()
}

/// Runs scontrol; a controller that does not answer costs no more than `within`.
fn ask(args: &[&str], within: Duration) -> Result<String, String> {
    let mut child = Command::new("scontrol")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("scontrol can't be run: {error}"))?;
    let ends = Instant::now() + within;
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if Instant::now() < ends => thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let _ = child.kill();
                return Err("the controller does not answer".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    let done = child.wait_with_output().map_err(|error| error.to_string())?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        // The last line tells what the others lead to.
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        Err(said.lines().next_back().unwrap_or("scontrol failed without a word").to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_reason_are_found() {
        let line = "NodeName=gpu-17 Arch=x86_64 State=IDLE+DRAIN ThreadsPerCore=2 Reason=diag: GPU 3: lost [root@2026-05-04T02:00:00]\n";
        let view = parse(line);
        assert_eq!(view, View { state: "IDLE+DRAIN".into(), reason: "diag: GPU 3: lost".into() });
        assert!(view.drained() && view.by_us());
        let case = parse("NodeName=gpu-17 State=IDLE+DRAIN Reason=diag:net-link-down [root@2026-05-04T02:00:00]\n");
        assert!(case.drained() && !case.by_us(), "a case's own");
        assert!(!parse("NodeName=gpu-18 State=ALLOCATED Comment=x\n").drained());
    }

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(one_line("a\nb \"c\" `d`"), "ab c d");
    }
}
