//! What it means that ssh came back before the node was ready.

use crate::exec::outcome::End;

/// Words of OpenSSH (sshconnect.c, sshconnect2.c, auth2-pubkey; 7.4 to 9.9) that say why, the first that fits.
const WORDS: [(&str, Why); 19] = [
    ("remote host identification has changed", Why::Changed),
    ("has changed and you have requested strict checking", Why::Changed),
    ("revoked host key", Why::Revoked),
    ("host key is known for", Why::Unknown),
    ("host key verification failed", Why::Untrusted),
    ("permission denied", Why::Login),
    ("too many authentication failures", Why::Login),
    ("no supported authentication methods", Why::Login),
    ("no matching ", Why::Login),
    ("could not resolve hostname", Why::Network),
    ("connection refused", Why::Network),
    ("connection timed out", Why::Network),
    ("operation timed out", Why::Network),
    ("no route to host", Why::Network),
    ("network is unreachable", Why::Network),
    ("connection closed by", Why::Network),
    ("connection reset by", Why::Network),
    ("bad configuration option", Why::Ours),
    ("bad owner or permissions", Why::Ours),
];

#[derive(Clone, Copy)]
enum Why {
    Changed,
    Revoked,
    Unknown,
    Untrusted,
    Login,
    Network,
    Ours,
}

/// From the status of ssh and what was said. 255 is ssh's own; any other is that of what the node ran.
pub(super) fn explain(status: Option<i32>, noise: &str) -> End {
    let line = telling(noise);
    if let Some(status) = status.filter(|status| *status != 255) {
        let said = if line.is_empty() { String::new() } else { format!(": {line}") };
        return End::CannotRun(format!("the node did not run what it was told, and left with {status}{said}"));
    }
    let lower = noise.to_lowercase();
    let line = if line.is_empty() { "the connection was closed without a word".to_owned() } else { line };
    match WORDS.iter().find(|(words, _)| lower.contains(words)).map(|(_, why)| why) {
        Some(Why::Changed) => End::Refused(format!("its host key is not the one in known_hosts: {line}")),
        Some(Why::Revoked) => End::Refused(format!("its host key is revoked: {line}")),
        Some(Why::Unknown) => End::Refused(format!("its host key is not in known_hosts: {line}")),
        Some(Why::Untrusted) => End::Refused(format!("its host key is not trusted: {line}")),
        Some(Why::Login) => End::Refused(format!("it does not let us in: {line}")),
        Some(Why::Ours) => End::CannotRun(format!("ssh: {line}")),
        Some(Why::Network) | None => End::Unreachable(line),
    }
}

/// The line that says most: the first with one of the words, else the last that says something.
fn telling(noise: &str) -> String {
    let lines = || noise.lines().map(|line| line.trim().trim_matches('@').trim()).filter(|line| !line.is_empty());
    let known = |line: &&str| WORDS.iter().any(|(words, _)| line.to_lowercase().contains(words));
    lines().find(known).or_else(|| lines().next_back()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::explain;
    use crate::exec::outcome::End;

    #[test]
    fn words_of_ssh_are_told_apart() {
        let changed = "@@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@@@@@@@\r\n\
                       Host key for n1 has changed and you have requested strict checking.\r\nHost key verification failed.\r\n";
        assert!(matches!(explain(Some(255), changed), End::Refused(why) if why.contains("not the one in known_hosts")));
        let unknown = "No ED25519 host key is known for n1 and you have requested strict checking.\r\nHost key verification failed.";
        assert!(matches!(explain(Some(255), unknown), End::Refused(why) if why.contains("not in known_hosts")));
        let denied = "root@n1: Permission denied (publickey).";
        assert!(matches!(explain(Some(255), denied), End::Refused(why) if why.contains("let us in")));
        for away in
            ["ssh: connect to host n1 port 22: Connection refused", "", "Connection closed by 10.0.4.18 port 22"]
        {
            assert!(matches!(explain(Some(255), away), End::Unreachable(_)), "{away}");
        }
        assert!(matches!(explain(Some(126), "only hostname is allowed"), End::CannotRun(why) if why.contains("126")));
    }
}
